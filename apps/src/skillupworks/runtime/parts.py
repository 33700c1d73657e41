"""The end of a service's threads: all of them together, within the time that systemd gives."""

from collections.abc import Iterable
from threading import Thread
from time import monotonic
from typing import Protocol

__all__ = ["Stoppable", "stop_together"]


class Stoppable(Protocol):
    """A part of a service that runs in threads of its own."""

    def stop(self) -> None:
        """Finish what is in hand and end; returns when it has, or has given that up."""


def stop_together(parts: Iterable[Stoppable], seconds: float) -> None:
    """Stop all parts side by side; returns when they have ended, or after so many seconds.

    One that hangs holds up neither the others nor the process: its threads end with it.
    """
    threads = [Thread(target=part.stop, daemon=True) for part in parts]
    for thread in threads:
        thread.start()
    deadline = monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - monotonic()))
