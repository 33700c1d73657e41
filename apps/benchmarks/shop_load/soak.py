"""A long run at one rate: is every order accounted for, and does memory stay flat."""

from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from time import monotonic, sleep
from typing import Any

from benchmarks.shop_load.memory import Samples, grown

__all__ = ["Soak", "account", "outcome"]

SETTLE_SECONDS = 300.0
ASKED_AT_ONCE = 20


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


def account(
    orders: Collection[str],
    state: Callable[[str], str],
    seconds: float = SETTLE_SECONDS,
    pause: Callable[[float], None] = sleep,
) -> dict[str, str]:
    """Ask for each order until it is processed, for so many seconds; return the last states."""
    states = dict.fromkeys(orders, "unknown")
    deadline = monotonic() + seconds
    while open_ := [order for order, known in states.items() if known != "processed"]:
        # greenlets in a run, as Locust has replaced threads
        with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
            states |= dict(zip(open_, pool.map(state, open_), strict=True))
        if monotonic() > deadline:
            break
        pause(1)
    return states


def outcome(states: dict[str, str], samples: Samples | None, seconds: float = 0) -> Soak:
    """Return the account of a run of so many seconds; None when its memory was not looked at."""
    return Soak(
        accepted=len(states),
        states=dict(Counter(states.values())),
        unfinished=sorted(order for order, state in states.items() if state != "processed")[:100],
        grown=[] if samples is None else grown(samples, seconds),
        memory=samples or [],
    )
