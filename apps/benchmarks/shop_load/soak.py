"""A long run at one rate: is every order accounted for, and does memory stay flat."""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any

import gevent
from gevent.pool import Pool

__all__ = ["Samples", "Soak", "account", "grown", "outcome", "sample"]

SAMPLE_SECONDS = 60.0
SETTLE_SECONDS = 300.0
ASKED_AT_ONCE = 20
# what a unit weighs after a while is compared with the end: caches fill, and pools grow, first
WARM_SHARE = 0.2
GROWTH = 1.10
GROWTH_KIB = 8 * 1024
# their memory is a cache of a settled size, which fills with data
STORES = ("mariadb", "mysqld", "mongod", "nx-27017", "rabbitmq-server", "redis-server", "valkey")

# seconds since the begin, and KiB by `unit@host`
Samples = list[tuple[float, dict[str, int]]]


@dataclass(frozen=True)
class Soak:
    """What became of the orders, and of memory; both lists are empty when all is well."""

    accepted: int
    states: dict[str, int]
    unfinished: list[str]
    grown: list[str]
    memory: Samples

    def as_json(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return asdict(self)


def sample(memory: Callable[[], dict[str, int]], samples: Samples) -> None:
    """Weigh all units again and again, until it is killed."""
    began = monotonic()
    while True:
        samples.append((round(monotonic() - began, 1), memory()))
        gevent.sleep(SAMPLE_SECONDS)


def account(
    orders: Collection[str], state: Callable[[str], str], seconds: float = SETTLE_SECONDS
) -> dict[str, str]:
    """Ask for each order until it is processed, for so many seconds; return the last states."""
    states = dict.fromkeys(orders, "unknown")
    deadline = monotonic() + seconds
    while open_ := [order for order, known in states.items() if known != "processed"]:
        pool = Pool(ASKED_AT_ONCE)
        states |= dict(zip(open_, pool.imap(state, open_), strict=True))
        if monotonic() > deadline:
            break
        gevent.sleep(1)
    return states


def grown(samples: Samples) -> list[str]:
    """Return a line for each service's unit that weighs more at the end than when it was warm."""
    warm_from = samples[-1][0] * WARM_SHARE
    first = next(weights for seconds, weights in samples if seconds >= warm_from)
    last = samples[-1][1]
    return [
        f"{unit}: {first[unit]} KiB when warm, {weight} KiB at the end"
        for unit, weight in last.items()
        if unit in first
        and unit.partition("@")[0] not in STORES
        and weight > first[unit] * GROWTH + GROWTH_KIB
    ]


def outcome(states: dict[str, str], samples: Samples) -> Soak:
    """Return the account of a run."""
    return Soak(
        accepted=len(states),
        states=dict(Counter(states.values())),
        unfinished=sorted(order for order, state in states.items() if state != "processed")[:100],
        grown=grown(samples) if samples else [],
        memory=samples,
    )
