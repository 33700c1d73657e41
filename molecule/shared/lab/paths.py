"""Where the lab keeps things on this machine, and the locks around them."""

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.progress import Progress

CACHE = Path("/var/cache/skillupworks-lab")
STATE = Path("/var/lib/skillupworks-lab")
LOCKS = Path("/run/lock/skillupworks-lab")


def lab_directory(lab: str) -> Path:
    """Return the directory of one lab; `down` deletes it."""
    return STATE / lab


def guest_directory(lab: str, host: str) -> Path:
    """Return the directory of one guest: its data, its record, its console log."""
    return lab_directory(lab) / "guests" / host


@contextmanager
def locked(name: str, progress: Progress | None = None) -> Iterator[None]:
    """Hold the machine-wide lock `name`; waits for the process that holds it now, and says so.

    The lock ends with the process, also when that is killed.
    """
    LOCKS.mkdir(parents=True, exist_ok=True)
    with (LOCKS / f"{name}.lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if progress:
                progress(f"waiting for another lab command that works on {name}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def mounts_below(prefix: Path) -> list[Path]:
    """Return the mount points at or below `prefix`, the innermost first."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    points = [Path(re.sub(r"\\(\d{3})", _octal, line.split()[4])) for line in lines]
    return [point for point in reversed(points) if point.is_relative_to(prefix)]


def _octal(match: re.Match[str]) -> str:
    """Decode one escaped character of mountinfo."""
    return chr(int(match[1], 8))
