"""The open loop: visits begin when they are planned, whatever became of those before."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from time import monotonic

import gevent
from gevent.pool import Pool

__all__ = ["Arrived", "arrive"]

# beyond that a visit does not begin, and counts as failed: the shop is long past its knee
MOST_AT_ONCE = 2000
# those that are still here at the end may finish
GRACE_SECONDS = 30.0


@dataclass(frozen=True)
class Arrived:
    """How it went: visits planned and begun, and what this program was late by at the most (s)."""

    planned: int
    begun: int
    lateness: float
    seconds: float


def arrive(visit: Callable[[float], None], rate: float, seconds: float, random: Random) -> Arrived:
    """Begin about `rate` visits a second for so many seconds, as strangers come (Poisson).

    `visit` gets the time (monotonic) for which it was planned. Returns when all visits have ended,
    at most GRACE_SECONDS later.
    """
    visits = Pool(MOST_AT_ONCE)
    began = monotonic()
    planned, begun, lateness = 0, 0, 0.0
    due = began + random.expovariate(rate)
    while due < began + seconds:
        planned += 1
        gevent.sleep(max(0.0, due - monotonic()))
        lateness = max(lateness, monotonic() - due)
        if visits.free_count() > 0:
            begun += 1
            visits.spawn(visit, due)
        due += random.expovariate(rate)
    visits.join(timeout=GRACE_SECONDS)
    visits.kill()
    return Arrived(planned, begun, lateness, seconds)
