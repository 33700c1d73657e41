"""Waiting for a condition instead of for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.1


def wait_until(what: str, condition: Callable[[], T | None], seconds: float = 30) -> T:
    """Return the condition's first truthy result, asked again and again for up to `seconds`.

    Fails with `what` and the condition's last result.
    """
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:.0f} s still not: {what} (last: {result!r})")
        time.sleep(POLL_SECONDS)
    return result


def stays(what: str, condition: Callable[[], object], seconds: float) -> None:
    """Fail as soon as the condition is no longer truthy within the next `seconds`.

    For what must not happen: there is no event to wait for.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"no longer: {what}"
        time.sleep(POLL_SECONDS)
