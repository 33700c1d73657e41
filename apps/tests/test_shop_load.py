"""What the load test of the shop concludes: past the knee, memory that grows, orders that hang."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from subprocess import CalledProcessError
from typing import Any

import pytest

from benchmarks.shop_load.memory import Samples, Unit, grown, sample
from benchmarks.shop_load.soak import account, outcome
from benchmarks.shop_load.steps import step_of

MINUTES = 30


def minutes(*weights: int, name: str = "cart@app", invocation: str = "a") -> Samples:
    return [
        (60.0 * number, {name: Unit(weight, invocation)}) for number, weight in enumerate(weights)
    ]


def steady(weight: int = 80_000) -> list[int]:
    """Return a weight that goes up and down."""
    return [weight + number % 3 * 200 for number in range(MINUTES)]


def test_what_goes_up_and_down_is_flat() -> None:
    assert grown(minutes(*steady()), MINUTES * 60) == []


def test_what_grows_while_it_becomes_warm_is_flat() -> None:
    begin = [40_000 + 8_000 * number for number in range(6)]

    assert grown(minutes(*begin, *[85_000] * 24), MINUTES * 60) == []


def test_a_slow_leak_is_found() -> None:
    found = grown(minutes(*(80_000 + 220 * number for number in range(MINUTES))), MINUTES * 60)

    assert len(found) == 1
    assert found[0].startswith("cart@app: ")


def test_a_store_may_fill_its_cache() -> None:
    weights = range(100_000, 400_000, 10_000)

    assert grown(minutes(*weights, name="mongod@data"), MINUTES * 60) == []


def test_a_unit_that_begins_anew_is_not_flat() -> None:
    samples = minutes(*steady())
    samples[20:] = [(seconds, {"cart@app": Unit(80_000, "b")}) for seconds, _ in samples[20:]]

    assert grown(samples, MINUTES * 60) == ["cart@app: has been restarted"]


def test_a_unit_that_is_gone_is_not_flat() -> None:
    samples = [*minutes(*steady())[:-1], (1740.0, {"user@app": Unit(1, "u")})]

    assert "cart@app: does not run at the end" in grown(samples, MINUTES * 60)


def test_too_few_samples_are_not_flat() -> None:
    assert grown(minutes(*steady()[:25]), MINUTES * 60) == []
    assert grown(minutes(*steady()[:24]), MINUTES * 60) == [
        "memory was weighed 24 times, and not 25"
    ]
    assert grown([], 60) == ["memory was weighed 0 times, and not 2"]


class EnoughError(Exception):
    """Ends the endless loop."""


def test_a_look_that_fails_is_left_out_and_the_next_one_is_taken() -> None:
    looks: Iterator[dict[str, Any] | Exception] = iter(
        [{"a@b": Unit(1, "x")}, CalledProcessError(255, "ssh"), {"a@b": Unit(2, "x")}]
    )
    left = [3]

    def memory() -> dict[str, Unit]:
        look = next(looks)
        if isinstance(look, Exception):
            raise look
        return look

    def pause(_seconds: float) -> None:
        left[0] -= 1
        if not left[0]:
            raise EnoughError

    samples: Samples = []
    with pytest.raises(EnoughError):
        sample(memory, samples, pause)
    assert [units["a@b"].kib for _, units in samples] == [1, 2]


def test_orders_are_asked_for_until_they_are_processed() -> None:
    asked: list[str] = []

    def state(order: str) -> str:
        asked.append(order)
        return "processed" if asked.count(order) > 2 or order == "quick" else "paid"

    states = account(["quick", "slow"], state, pause=lambda _seconds: None)
    assert states == {"quick": "processed", "slow": "processed"}
    assert (asked.count("quick"), asked.count("slow")) == (1, 3)


def test_an_order_that_hangs_is_named() -> None:
    states = account(["a", "b"], lambda order: "processed" if order == "a" else "paid", seconds=-1)
    result = outcome(states, None)

    assert result.unfinished == ["b"]
    assert (result.accepted, result.states) == (2, {"processed": 1, "paid": 1})


@dataclass
class Arrived:
    """How visits came."""

    planned: int = 100
    begun: int = 100
    lateness: float = 0.0
    seconds: float = 10.0


@dataclass
class Entry:
    """The figures of a service."""

    name: str = "cart"
    num_requests: int = 0
    num_failures: int = 0
    times: list[float] = field(default_factory=list)

    def get_response_time_percentile(self, share: float) -> float:
        return sorted(self.times)[int(share * (len(self.times) - 1))]

    @property
    def max_response_time(self) -> float:
        return max(self.times)

    def extend(self, other: "Entry") -> None:
        self.num_requests += other.num_requests
        self.num_failures += other.num_failures
        self.times += other.times


class Stats:
    """Figures by service and method."""

    def __init__(self, *entries: Entry) -> None:
        self.entries = {(entry.name, str(place)): entry for place, entry in enumerate(entries)}
        self.errors: dict[str, Any] = {}

    def get(self, name: str, method: str) -> Entry:
        return self.entries.setdefault((name, method), Entry(name))


def test_the_methods_of_a_service_count_together() -> None:
    stats: Any = Stats(Entry("cart", 80, 0, [10.0] * 80), Entry("cart", 20, 1, [20.0] * 20))
    arrived: Any = Arrived()
    step = step_of(10, arrived, stats)

    service = step.services["cart"]
    assert (service.requests, service.failures, service.rate) == (100, 1, 10.0)
    assert (service.p50, service.longest) == (10.0, 20.0)
    # one of a hundred may fail
    assert step.past_knee == ""


@pytest.mark.parametrize(
    ("arrived", "entry", "said"),
    [
        (Arrived(lateness=0.6), Entry("cart", 1, 0, [1.0]), "the load generator was 0.6 s late"),
        (Arrived(begun=99), Entry("cart", 1, 0, [1.0]), "1 visits found no place"),
        (Arrived(), Entry("cart", 100, 2, [1.0]), "cart: 2 of 100 requests failed"),
        (Arrived(), Entry("cart", 100, 0, [1500.0] * 9), "cart: p99 is 1500 ms"),
    ],
)
def test_what_is_past_the_knee_says_why(arrived: Any, entry: Entry, said: str) -> None:
    stats: Any = Stats(entry)

    assert step_of(10, arrived, stats).past_knee == said
