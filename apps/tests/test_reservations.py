"""Reservations: all or nothing, once, never oversold, whatever ends where."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from prometheus_client import CollectorRegistry

from skillupworks.errors import StoreUnavailableError
from skillupworks.runtime.problems import ProblemError
from skillupworks.shop.reservation_model import ShortageError, State
from skillupworks.shop.reservation_sweeper import ReservationSweeper
from skillupworks.shop.reservations import (
    KEEP_SECONDS,
    LEASE_SECONDS,
    ReservationMetrics,
    Reservations,
)

from .catalogue_stubs import Clock, MemoryReservations

SECONDS = 900
LINES = {"Git": 1, "Linux": 2}
# more steps than any of the requests below takes
STEPS = range(1, 16)


class EndedError(Exception):
    """The process has ended here."""


@pytest.fixture
def clock(events: list[object]) -> Clock:
    """Return the time; what is logged meanwhile is not printed."""
    del events
    return Clock()


@pytest.fixture
def store() -> MemoryReservations:
    """Return a store with ten of each of three products."""
    return MemoryReservations(Git=10, Linux=10, Shell=10)


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return where it counts."""
    return CollectorRegistry()


@pytest.fixture
def reservations(
    store: MemoryReservations, registry: CollectorRegistry, clock: Clock
) -> Iterator[Reservations]:
    """Return the reservations; at the end no piece of anything is lost or made."""
    yield of(store, ReservationMetrics(registry), clock)
    assert all(store.in_all(sku) == 10 for sku in store.stocks)


def of(store: MemoryReservations, metrics: ReservationMetrics, clock: Clock) -> Reservations:
    return Reservations(store, metrics, seconds=SECONDS, clock=clock, sleep=clock.sleep)


def code_of(action: Callable[[], object]) -> str | None:
    with pytest.raises(ProblemError) as caught:
        action()
    return caught.value.code


def test_what_is_reserved_is_no_longer_on_stock_and_sold_when_committed(
    store: MemoryReservations, reservations: Reservations, clock: Clock
) -> None:
    held = reservations.reserve("ORD-1", {"Linux": 2, "Git": 1})

    assert (held.state, held.expires_at) == (State.HELD, clock.now + SECONDS)
    assert store.stocks == {"Git": 9, "Linux": 8, "Shell": 10}
    assert reservations.commit("ORD-1").state is State.COMMITTED
    assert store.sold == {"Git": 1, "Linux": 2, "Shell": 0}
    assert store.holds == {}


def test_asking_again_says_the_same_and_holds_nothing_twice(
    store: MemoryReservations, reservations: Reservations
) -> None:
    first = reservations.reserve("ORD-1", LINES)
    assert reservations.reserve("ORD-1", LINES) == first
    reservations.commit("ORD-1")

    assert reservations.reserve("ORD-1", LINES).state is State.COMMITTED
    assert reservations.commit("ORD-1").state is State.COMMITTED
    assert store.stocks == {"Git": 9, "Linux": 8, "Shell": 10}
    assert store.sold["Linux"] == 2


def test_orders_are_sold_together_and_those_that_hold_nothing_are_told(
    store: MemoryReservations, reservations: Reservations
) -> None:
    for order in ("ORD-1", "ORD-2", "ORD-3"):
        reservations.reserve(order, {"Linux": 2})
    reservations.release("ORD-2")

    for _ in range(2):
        found = reservations.commit_all(["ORD-1", "ORD-2", "ORD-3", "ORD-4"])
        assert {order: each.state for order, each in found.items()} == {
            "ORD-1": State.COMMITTED,
            "ORD-2": State.RELEASED,
            "ORD-3": State.COMMITTED,
        }

    assert store.sold["Linux"] == 4
    assert store.stocks["Linux"] == 6
    assert store.holds == {}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", range(1, 8))
def test_wherever_selling_several_orders_ends_repeating_it_sells_each_once(
    store: MemoryReservations, reservations: Reservations, step: int, when: str
) -> None:
    orders = ["ORD-1", "ORD-2", "ORD-3"]
    for order in orders:
        reservations.reserve(order, {"Git": 1, "Linux": 2})
    end_at(store, step, when, StoreUnavailableError)
    with suppress(StoreUnavailableError):
        reservations.commit_all(orders)
    go_on(store)
    reservations.commit_all(orders)

    assert store.sold == {"Git": 3, "Linux": 6, "Shell": 0}
    assert store.holds == {}


def test_what_is_released_is_back_once_and_for_good(
    store: MemoryReservations, reservations: Reservations
) -> None:
    reservations.reserve("ORD-1", LINES)
    for _ in range(2):
        reservations.release("ORD-1")

    assert store.stocks == {"Git": 10, "Linux": 10, "Shell": 10}
    assert code_of(lambda: reservations.commit("ORD-1")) == "released"
    assert code_of(lambda: reservations.reserve("ORD-1", LINES)) == "released"


def test_a_release_that_overtakes_its_reservation_ends_it(
    store: MemoryReservations, reservations: Reservations
) -> None:
    reservations.release("ORD-1")

    assert code_of(lambda: reservations.reserve("ORD-1", LINES)) == "released"
    assert store.holds == {}


def test_what_is_sold_cannot_be_given_back(
    store: MemoryReservations, reservations: Reservations
) -> None:
    reservations.reserve("ORD-1", LINES)
    reservations.commit("ORD-1")

    assert code_of(lambda: reservations.release("ORD-1")) == "committed"
    assert store.sold["Linux"] == 2


def test_an_order_cannot_reserve_something_else_meanwhile(reservations: Reservations) -> None:
    reservations.reserve("ORD-1", LINES)

    assert code_of(lambda: reservations.reserve("ORD-1", {"Shell": 1})) == "another_order"


def test_nothing_is_held_when_one_product_is_short_and_it_may_be_tried_again(
    store: MemoryReservations, reservations: Reservations
) -> None:
    with pytest.raises(ShortageError) as caught:
        reservations.reserve("ORD-1", {"Git": 1, "Linux": 11, "Shell": 1})

    assert (caught.value.sku, caught.value.left) == ("Linux", 10)
    assert store.stocks == {"Git": 10, "Linux": 10, "Shell": 10}
    assert reservations.reserve("ORD-1", LINES).state is State.HELD


def test_a_product_that_is_not_sold_is_told_from_one_that_is_sold_out(
    reservations: Reservations,
) -> None:
    with pytest.raises(ShortageError) as caught:
        reservations.reserve("ORD-1", {"Cobol": 1, "Git": 1})

    assert caught.value.left is None


def test_what_nobody_commits_is_given_back_after_its_time_and_not_before(
    store: MemoryReservations, reservations: Reservations, registry: CollectorRegistry, clock: Clock
) -> None:
    reservations.reserve("ORD-1", LINES)
    clock.now += SECONDS - 1
    assert reservations.sweep() == 0
    clock.now += 1

    assert reservations.sweep() == 1
    assert reservations.sweep() == 0
    assert store.stocks["Linux"] == 10
    assert code_of(lambda: reservations.commit("ORD-1")) == "expired"
    sample = registry.get_sample_value("skillupworks_reservations_total", {"outcome": "expired"})
    assert sample == 1


def test_what_is_expired_can_be_reserved_again(
    store: MemoryReservations, reservations: Reservations, clock: Clock
) -> None:
    reservations.reserve("ORD-1", LINES)
    clock.now += SECONDS
    reservations.sweep()

    assert reservations.reserve("ORD-1", {"Shell": 3}).state is State.HELD
    assert store.stocks == {"Git": 10, "Linux": 10, "Shell": 7}


def test_what_is_sold_does_not_expire(
    store: MemoryReservations, reservations: Reservations, clock: Clock
) -> None:
    reservations.reserve("ORD-1", LINES)
    reservations.commit("ORD-1")
    clock.now += 2 * SECONDS

    assert reservations.sweep() == 0
    assert store.sold["Linux"] == 2


def test_what_ended_long_ago_is_forgotten_and_what_is_held_is_not(
    store: MemoryReservations, reservations: Reservations, clock: Clock
) -> None:
    reservations.reserve("ORD-1", LINES)
    reservations.commit("ORD-1")
    clock.now += KEEP_SECONDS
    reservations.reserve("ORD-2", LINES)
    reservations.sweep()
    assert set(store.reservations) == {"ORD-1", "ORD-2"}
    clock.now += 1
    reservations.sweep()

    assert set(store.reservations) == {"ORD-2"}


def test_of_fifty_buyers_at_once_ten_get_the_last_ten(
    store: MemoryReservations, reservations: Reservations
) -> None:
    def buy(number: int) -> bool:
        with suppress(ShortageError):
            reservations.reserve(f"ORD-{number}", {"Git": 1, "Linux": 1})
            return True
        return False

    with ThreadPoolExecutor(50) as pool:
        won = sum(pool.map(buy, range(50)))

    assert won == 10
    assert store.stocks == {"Git": 0, "Linux": 0, "Shell": 10}


def test_fifty_requests_for_one_order_hold_it_once(
    store: MemoryReservations, registry: CollectorRegistry
) -> None:
    reservations = Reservations(store, ReservationMetrics(registry), seconds=SECONDS)
    with ThreadPoolExecutor(50) as pool:
        states = list(pool.map(lambda _: reservations.reserve("ORD-1", LINES).state, range(50)))

    assert set(states) == {State.HELD}
    assert store.stocks == {"Git": 9, "Linux": 8, "Shell": 10}


def end_at(store: MemoryReservations, step: int, when: str, error: type[Exception]) -> None:
    """End the process, or lose the database, at a step: from then on it does nothing."""

    def on_step(number: int, at: str) -> None:
        if number > step or (number, at) == (step, when):
            raise error

    store.steps = 0
    store.on_step = on_step


def go_on(store: MemoryReservations) -> None:
    store.on_step = lambda _step, _when: None


@pytest.mark.parametrize("error", [EndedError, StoreUnavailableError])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_wherever_a_reservation_ends_repeating_it_holds_it_once(
    store: MemoryReservations,
    reservations: Reservations,
    step: int,
    when: str,
    error: type[Exception],
) -> None:
    end_at(store, step, when, error)
    with suppress(error):
        reservations.reserve("ORD-1", LINES)
    go_on(store)

    assert reservations.reserve("ORD-1", LINES).state is State.HELD
    assert store.stocks == {"Git": 9, "Linux": 8, "Shell": 10}


@pytest.mark.parametrize("point", [(step, when) for step in STEPS for when in ("before", "after")])
@pytest.mark.parametrize("action", ["reserve", "refuse", "commit", "release"])
def test_wherever_a_process_ends_the_sweep_puts_it_in_order(
    store: MemoryReservations,
    reservations: Reservations,
    clock: Clock,
    action: str,
    point: tuple[int, str],
) -> None:
    if action in {"commit", "release"}:
        reservations.reserve("ORD-1", LINES)
    actions: dict[str, Callable[[], object]] = {
        "reserve": lambda: reservations.reserve("ORD-1", LINES),
        "refuse": lambda: reservations.reserve("ORD-1", {"Git": 1, "Linux": 2, "Shell": 11}),
        "commit": lambda: reservations.commit("ORD-1"),
        "release": lambda: reservations.release("ORD-1"),
    }
    end_at(store, *point, EndedError)
    with suppress(EndedError, ShortageError):
        actions[action]()
    go_on(store)
    found = store.reservations.get("ORD-1")
    committed = found is not None and found.state is State.COMMITTED
    clock.now += SECONDS + 2 * LEASE_SECONDS
    reservations.sweep()

    assert store.holds == {}
    sold = LINES if committed else {}
    assert {sku: count for sku, count in store.sold.items() if count} == sold
    assert store.stocks == {sku: 10 - sold.get(sku, 0) for sku in store.stocks}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_wherever_a_commit_ends_repeating_it_sells_it_once(
    store: MemoryReservations, reservations: Reservations, step: int, when: str
) -> None:
    reservations.reserve("ORD-1", LINES)
    end_at(store, step, when, StoreUnavailableError)
    with suppress(StoreUnavailableError):
        reservations.commit("ORD-1")
    go_on(store)
    reservations.commit("ORD-1")

    assert store.sold == {"Git": 1, "Linux": 2, "Shell": 0}
    assert store.holds == {}


@pytest.mark.parametrize("step", STEPS)
def test_whenever_somebody_else_releases_a_reservation_at_work_nothing_stays_held(
    store: MemoryReservations, reservations: Reservations, clock: Clock, step: int
) -> None:
    def interrupt(number: int, when: str) -> None:
        if (number, when) == (step, "before"):
            go_on(store)
            reservations.release("ORD-1")

    store.on_step = interrupt
    with suppress(ProblemError):
        reservations.reserve("ORD-1", LINES)
    if store.on_step is interrupt:  # it was done before that step
        go_on(store)
        reservations.release("ORD-1")
    clock.now += SECONDS + 2 * LEASE_SECONDS
    reservations.sweep()

    assert store.stocks == {"Git": 10, "Linux": 10, "Shell": 10}
    assert store.holds == {}


@pytest.mark.parametrize("step", STEPS)
def test_an_attempt_that_was_taken_over_while_it_slept_holds_nothing(
    store: MemoryReservations, registry: CollectorRegistry, clock: Clock, step: int
) -> None:
    reservations = of(store, ReservationMetrics(registry), clock)

    def interrupt(number: int, when: str) -> None:
        if (number, when) == (step, "before"):
            go_on(store)
            assert reservations.reserve("ORD-1", LINES).state is State.HELD
            reservations.commit("ORD-1")

    store.on_step = interrupt
    with suppress(ProblemError):
        reservations.reserve("ORD-1", LINES)
    go_on(store)
    reservations.reserve("ORD-1", LINES)
    reservations.commit("ORD-1")

    assert store.sold == {"Git": 1, "Linux": 2, "Shell": 0}
    assert store.stocks == {"Git": 9, "Linux": 8, "Shell": 10}


@pytest.mark.parametrize("step", STEPS)
def test_a_second_sweep_in_the_middle_of_one_does_no_harm(
    store: MemoryReservations, registry: CollectorRegistry, clock: Clock, step: int
) -> None:
    reservations = of(store, ReservationMetrics(registry), clock)
    for number in range(3):
        reservations.reserve(f"ORD-{number}", LINES)
    clock.now += SECONDS + 2 * LEASE_SECONDS
    store.steps = 0

    def interrupt(number: int, when: str) -> None:
        if (number, when) == (step, "before"):
            go_on(store)
            reservations.sweep()

    store.on_step = interrupt
    reservations.sweep()

    assert store.stocks == {"Git": 10, "Linux": 10, "Shell": 10}
    assert registry.get_sample_value("skillupworks_reservations_total", {"outcome": "expired"}) == 3


def test_a_request_for_an_order_at_work_waits_for_it(
    store: MemoryReservations, reservations: Reservations, clock: Clock
) -> None:
    end_at(store, 3, "after", EndedError)
    with suppress(EndedError):
        reservations.reserve("ORD-1", LINES)
    go_on(store)
    pending = store.reservations["ORD-1"]
    assert pending.state is State.PENDING
    clock.on_sleep = lambda: reservations.release("ORD-1")

    assert code_of(lambda: reservations.reserve("ORD-1", LINES)) == "released"
    assert store.stocks["Git"] == 10


def test_the_sweeper_goes_on_after_an_error_and_counts_it(
    store: MemoryReservations,
    reservations: Reservations,
    registry: CollectorRegistry,
    clock: Clock,
) -> None:
    sweeper = ReservationSweeper(reservations, registry, seconds=5)
    reservations.reserve("ORD-1", LINES)
    clock.now += SECONDS
    for error in (StoreUnavailableError, EndedError):
        end_at(store, 1, "before", error)
        sweeper.sweep()
    go_on(store)
    sweeper.sweep()

    assert store.stocks["Linux"] == 10
    sample = "skillupworks_reservation_sweeps_total"
    assert registry.get_sample_value(sample, {"outcome": "failed"}) == 2
    assert registry.get_sample_value(sample, {"outcome": "done"}) == 1


def test_the_sweeper_is_a_thread_that_ends(
    reservations: Reservations, registry: CollectorRegistry
) -> None:
    sweeper = ReservationSweeper(reservations, registry, seconds=3600)
    sweeper.start()
    sweeper.stop()

    assert not sweeper._thread.is_alive()  # noqa: SLF001
