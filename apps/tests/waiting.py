"""Waiting for a condition instead of for a time."""

from collections.abc import Callable
from threading import Event
from time import monotonic

# the machine may be busy with the lab's guests
SECONDS = 15


def wait_until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds; fail when that takes too long."""
    end = monotonic() + SECONDS
    while not condition():
        assert monotonic() < end, "waited too long"
        Event().wait(0.005)
