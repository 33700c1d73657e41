"""Short progress lines with the seconds since the start."""

import sys
import time
from collections.abc import Callable

Progress = Callable[[str], None]


def progress_printer(lab: str) -> Progress:
    """Return a function that prints one line for `lab`; safe to call from several threads."""
    started = time.monotonic()

    def say(text: str) -> None:
        seconds = time.monotonic() - started
        # One write per line, so that lines of parallel guests never mix.
        sys.stdout.write(f"[{lab} {seconds:5.1f} s] {text}\n")
        sys.stdout.flush()

    return say
