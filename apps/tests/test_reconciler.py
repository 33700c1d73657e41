"""An order that is paid and then neither processed nor on its way is published again."""

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from skillupworks.errors import StoreUnavailableError
from skillupworks.shop.order_processor import OrderProcessorSettings
from skillupworks.shop.payment import PaymentSettings
from skillupworks.shop.reconciler import (
    BATCH,
    MAX_REPUBLISHED,
    Reconciler,
    ReconcilerMetrics,
    Suspect,
    Verdict,
)

AFTER = 600


class MemorySuspects:
    """A SuspectStore in memory; what is judged is gone from it."""

    def __init__(self, *suspects: Suspect) -> None:
        self.suspects = list(suspects)
        self.verdicts: dict[str, Verdict] = {}
        self.broken = False

    def review(self, limit: int, judge: Callable[[Suspect], Verdict]) -> int:
        batch = self.suspects[:limit]
        verdicts = {suspect.order_id: judge(suspect) for suspect in batch}
        if self.broken:
            raise StoreUnavailableError("MySQL: away")
        self.suspects = self.suspects[limit:]
        self.verdicts |= verdicts
        return len(batch)


def suspect(
    order_id: str = "ORD-1", *, settled: bool = False, waiting: bool = False, republished: int = 0
) -> Suspect:
    return Suspect(order_id, settled, waiting, republished)


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return where the metrics are."""
    return CollectorRegistry()


@pytest.fixture
def look(
    registry: CollectorRegistry, events: list[Any]
) -> Callable[[MemorySuspects], tuple[list[str], list[Any]]]:
    """Return a function that makes a round; it returns the wake-ups and the events."""

    def round_of(store: MemorySuspects, full: bool = False) -> tuple[list[str], list[Any]]:  # noqa: FBT001, FBT002
        woken: list[str] = []
        metrics = ReconcilerMetrics(registry)
        Reconciler(store, lambda: woken.append("woken"), lambda: full, metrics, after=AFTER).round()
        return woken, events

    return round_of


Look = Callable[..., tuple[list[str], list[Any]]]


def test_a_processed_order_is_not_looked_at_again(look: Look) -> None:
    store = MemorySuspects(suspect(settled=True), suspect("ORD-2", settled=True, waiting=True))

    woken, events = look(store)

    assert {Verdict(republish=False, again_after=None)} == set(store.verdicts.values())
    assert (woken, events) == ([], [])


def test_an_order_in_the_outbox_is_looked_at_later(look: Look) -> None:
    store = MemorySuspects(suspect(waiting=True, republished=3))

    woken, events = look(store)

    assert store.verdicts == {"ORD-1": Verdict(republish=False, again_after=AFTER)}
    assert (woken, events) == ([], [])


@pytest.mark.parametrize(("times", "pause"), [(0, 1800), (1, 5400), (4, 145800)])
def test_a_lost_order_is_published_again_and_then_given_more_time(
    look: Look, registry: CollectorRegistry, times: int, pause: float
) -> None:
    store = MemorySuspects(suspect(republished=times))

    woken, events = look(store)

    assert store.verdicts == {"ORD-1": Verdict(republish=True, again_after=pause)}
    assert woken == ["woken"]
    assert [("ORD-1", "republished")] == [(event["order_id"], event["outcome"]) for event in events]
    assert registry.get_sample_value("skillupworks_orders_republished_total") == 1


def test_a_lost_order_is_given_up_in_the_end(look: Look, registry: CollectorRegistry) -> None:
    store = MemorySuspects(suspect(republished=MAX_REPUBLISHED))

    woken, events = look(store)

    assert store.verdicts == {"ORD-1": Verdict(republish=False, again_after=None)}
    assert woken == []
    assert [("error", "given-up")] == [(event["log_level"], event["outcome"]) for event in events]
    assert registry.get_sample_value("skillupworks_orders_given_up_total") == 1


def test_a_round_looks_at_all_whose_time_has_come(look: Look) -> None:
    store = MemorySuspects(*(suspect(f"ORD-{n}", settled=True) for n in range(2 * BATCH + 1)))

    look(store)

    assert len(store.verdicts) == 2 * BATCH + 1


def test_nothing_is_published_again_into_a_full_outbox(look: Look) -> None:
    store = MemorySuspects(suspect())

    look(store, full=True)

    assert store.verdicts == {}


def test_nothing_is_said_about_what_was_not_committed(
    look: Look, registry: CollectorRegistry, events: list[Any]
) -> None:
    store = MemorySuspects(suspect())
    store.broken = True

    with pytest.raises(StoreUnavailableError):
        look(store)

    assert events == []
    assert registry.get_sample_value("skillupworks_orders_republished_total") == 0


def test_an_order_that_waits_for_its_last_retry_is_not_taken_for_lost() -> None:
    delays = OrderProcessorSettings.model_fields["retry_delays"].default.split(",")
    after = PaymentSettings.model_fields["reconcile_after_seconds"].default

    assert after > 2 * sum(int(delay) for delay in delays)
