"""Tells systemd about the service: ready, status line, still alive, stopping (sd_notify)."""

import os
import socket
from collections.abc import Callable, Mapping
from time import monotonic

__all__ = ["Notifier", "Watchdog"]


class Notifier:
    """Sends states to the socket of $NOTIFY_SOCKET; does nothing without one. Thread-safe."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # "@name" is a socket in the abstract namespace, which the kernel knows by a leading NUL
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._status = ""

    def ready(self) -> None:
        """Say that the service has begun its work."""
        self._send("READY=1")

    def status(self, line: str) -> None:
        """Set the line that `systemctl status` shows; sends only what is new."""
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def alive(self) -> None:
        """Feed the watchdog once."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the service is on its way down."""
        self._send("STOPPING=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            try:
                sock.sendto(state.encode(), self._address)
            except OSError:
                return  # the manager is away; nobody is there to be told


class Watchdog:
    """Feeds systemd's watchdog from the loop that does the work.

    The loop calls `progress()` on each turn. `stuck` functions can veto: each returns None or
    what hangs, so that a living loop does not hide a dead worker.
    """

    def __init__(
        self,
        notifier: Notifier,
        *stuck: Callable[[], str | None],
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._notifier = notifier
        self._stuck = stuck
        self._clock = clock
        self._interval = int(environment.get("WATCHDOG_USEC", "0")) / 1_000_000 / 4
        self._next = clock()

    def progress(self) -> str | None:
        """Feed the watchdog when it is time to; return what hangs, if something does."""
        if not self._interval or self._clock() < self._next:
            return None
        for check in self._stuck:
            if reason := check():
                return reason
        self._notifier.alive()
        self._next = self._clock() + self._interval
        return None
