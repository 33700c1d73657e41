"""What units weigh in the course of a long run, and whether that stays flat."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from statistics import linear_regression
from subprocess import SubprocessError
from time import monotonic, sleep

__all__ = ["SAMPLE_SECONDS", "Samples", "Unit", "grown", "sample"]

SAMPLE_SECONDS = 60.0
# of the samples that a run of its length can have; 25 of 30
ENOUGH = 5 / 6
# caches fill, and pools grow, first
WARM_SHARE = 0.2
# by how much the line through the rest may rise: by both together
GROWTH = 0.03
GROWTH_KIB = 2 * 1024
# their memory is a cache of a settled size, which fills with data
STORES = ("mariadb", "mysqld", "mongod", "nx-27017", "rabbitmq-server", "redis-server", "valkey")


@dataclass(frozen=True)
class Unit:
    """A unit at one moment: its resident memory, and systemd's id of this run of it."""

    kib: int
    invocation: str


# seconds since the begin, and what there is by `unit@host`
Samples = list[tuple[float, dict[str, Unit]]]


def sample(
    memory: Callable[[], dict[str, Unit]],
    samples: Samples,
    pause: Callable[[float], None] = sleep,
) -> None:
    """Weigh all units again and again, until it is killed; a look that fails is left out."""
    began = monotonic()
    while True:
        try:
            weights = memory()
        except (OSError, SubprocessError, ValueError) as error:
            print(f"memory: {error}", file=sys.stderr)
        else:
            samples.append((round(monotonic() - began, 1), weights))
        pause(SAMPLE_SECONDS)


def grown(samples: Samples, seconds: float) -> list[str]:
    """Return a line for all that keeps memory from having been seen flat for so many seconds."""
    needed = max(2, ceil(seconds / SAMPLE_SECONDS * ENOUGH))
    if len(samples) < needed:
        return [f"memory was weighed {len(samples)} times, and not {needed}"]
    return [*_ended(samples), *_risen(samples)]


def _ended(samples: Samples) -> list[str]:
    """Return the units that are gone or begun anew: their memory says nothing."""
    runs: dict[str, set[str]] = {}
    for _, units in samples:
        for name, unit in units.items():
            runs.setdefault(name, set()).add(unit.invocation)
    last = samples[-1][1]
    return [
        *(f"{name}: does not run at the end" for name in runs if name not in last),
        *(f"{name}: has been restarted" for name, ids in runs.items() if len(ids) > 1),
    ]


def _risen(samples: Samples) -> list[str]:
    warm_from = samples[-1][0] * WARM_SHARE
    warm = [(seconds, units) for seconds, units in samples if seconds >= warm_from]
    lines = []
    for name in warm[-1][1]:
        points = [(seconds, units[name].kib) for seconds, units in warm if name in units]
        if name.partition("@")[0] in STORES or len(points) < 2:  # noqa: PLR2004 - a line's
            continue
        slope, begin = linear_regression(*zip(*points, strict=True))
        rise = slope * (points[-1][0] - points[0][0])
        weight = begin + slope * points[0][0]
        if rise > weight * GROWTH + GROWTH_KIB:
            lines.append(f"{name}: {weight:.0f} KiB when warm, and {rise:.0f} more at the end")
    return lines
