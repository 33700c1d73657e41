"""The relay publishes what is in the outbox, and forgets only what the broker has confirmed."""

from collections.abc import Callable, Iterator, Sequence
from threading import Event
from time import monotonic
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from skillupworks.errors import (
    BrokerRefusedError,
    BrokerUnavailableError,
    MessageTooLargeError,
    NotAcceptedError,
    StoreUnavailableError,
    UnconfirmedError,
    UnroutableError,
)
from skillupworks.messaging.message import Outgoing
from skillupworks.messaging.publisher import Batch, PublishError
from skillupworks.reliability import relay as relay_module
from skillupworks.reliability.outbox import Outbox
from skillupworks.reliability.pipeline import BATCH
from skillupworks.reliability.relay import Relay
from skillupworks.reliability.relay_report import SAID_ONE_BY_ONE, RelayMetrics
from skillupworks.runtime.database import Database

from .reliability_stubs import MemoryDatabase, MemoryOutbox, MemoryPublisher
from .waiting import wait_until

SECONDS = 10
LIMIT = 1000
TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"


class Platform:
    """A relay with its surroundings in memory; measurements and pauses are made at once."""

    def __init__(self) -> None:
        self.database = MemoryDatabase()
        self.outbox = MemoryOutbox()
        self.publisher = MemoryPublisher()
        self.registry = CollectorRegistry()
        self.relay = Relay(
            cast("Database", self.database),
            cast("Outbox", self.outbox),
            self.publisher,
            RelayMetrics(self.registry),
            limit=LIMIT,
        )

    def wait_for(self, condition: Callable[[], object]) -> None:
        ended = monotonic() + SECONDS
        while not condition():
            assert monotonic() < ended
            self.relay.wake()
            Event().wait(0.005)

    def value(self, name: str) -> float | None:
        return self.registry.get_sample_value(f"skillupworks_outbox_{name}")


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch, events: list[Any]) -> Iterator[Platform]:
    """Return a relay that is not started, and end it."""
    del events  # captured, so that nothing is printed
    monkeypatch.setattr(relay_module, "BACKLOG_SECONDS", 0.01)
    monkeypatch.setattr(relay_module, "PAUSE_BASE_SECONDS", 0.01)
    platform = Platform()
    yield platform
    if platform.relay.hung() != "the outbox relay has ended":
        platform.relay.stop()


def test_messages_are_published_in_order_and_then_forgotten(platform: Platform) -> None:
    platform.outbox.put("a", "b", "c")

    platform.relay.start()
    platform.wait_for(lambda: not platform.outbox.rows)

    assert platform.publisher.published == ["a", "b", "c"]
    assert platform.publisher.batches == [3]
    assert platform.value("published_total") == 3


def test_a_large_outbox_is_emptied_in_batches(platform: Platform) -> None:
    platform.outbox.put(*(f"m{number}" for number in range(2 * BATCH + 1)))

    platform.relay.start()
    platform.wait_for(lambda: not platform.outbox.rows)

    assert platform.publisher.batches == [BATCH, BATCH, 1]


def test_a_batch_is_sent_while_the_confirms_of_the_one_before_it_are_out(
    platform: Platform,
) -> None:
    platform.outbox.put(*(f"m{number}" for number in range(4 * BATCH)))

    platform.relay.start()
    platform.wait_for(lambda: not platform.outbox.rows)

    assert platform.publisher.most_under_way == 2
    assert platform.publisher.published == [f"m{number}" for number in range(4 * BATCH)]


@pytest.mark.parametrize("error", [NotAcceptedError("queue is full"), UnconfirmedError("no reply")])
def test_what_was_sent_behind_a_message_that_is_refused_is_settled_as_well(
    platform: Platform, error: PublishError
) -> None:
    ids = [f"m{number}" for number in range(2 * BATCH)]
    platform.publisher.outcomes["m3"] = error
    platform.outbox.put(*ids)

    platform.relay.start()
    platform.wait_for(lambda: len(platform.publisher.batches) >= 3)

    assert list(platform.outbox.rows) == [4]
    platform.publisher.outcomes.clear()
    platform.wait_for(lambda: not platform.outbox.rows)
    assert sorted(platform.publisher.published, key=str) == sorted(ids)


def test_a_database_that_goes_away_costs_no_batch_that_is_under_way(platform: Platform) -> None:
    platform.outbox.put(*(f"m{number}" for number in range(2 * BATCH)))
    send = platform.publisher.send

    def send_and_lose_database(messages: Sequence[Outgoing], /) -> Batch:
        platform.database.problem = "MySQL: away"
        return send(messages)

    platform.publisher.send = send_and_lose_database  # type: ignore[method-assign]
    platform.relay.start()
    platform.wait_for(lambda: platform.relay.problem() == "MySQL: away")

    # the first batch is gone: its transaction was open already
    assert len(platform.outbox.rows) == BATCH
    platform.publisher.send = send  # type: ignore[method-assign]
    platform.database.problem = None
    platform.wait_for(lambda: not platform.outbox.rows)
    assert platform.publisher.batches == [BATCH, BATCH]


def test_a_few_messages_have_a_line_each_with_their_ids(
    platform: Platform, events: list[Any]
) -> None:
    platform.outbox.put("a", headers={"traceparent": TRACEPARENT})
    platform.outbox.put("b")

    platform.relay.start()
    platform.wait_for(lambda: len(events) == 3)

    published = [event for event in events if event["event"].startswith("Published")]
    assert [("a", "a" * 32), ("b", None)] == [
        (event["message_id"], event["trace_id"]) for event in published
    ]
    assert "order.created a to RabbitMQ exchange shop" in published[0]["event"]


def test_many_messages_have_one_line(platform: Platform, events: list[Any]) -> None:
    platform.outbox.put(*(f"m{number}" for number in range(SAID_ONE_BY_ONE + 1)))

    platform.relay.start()
    platform.wait_for(lambda: len(events) == 2)

    assert events[0]["event"] == "Published 11 messages to RabbitMQ at broker-1"


@pytest.mark.parametrize("error", [UnroutableError("no queue"), MessageTooLargeError("too large")])
def test_a_message_that_cannot_be_published_does_not_hold_up_the_others(
    platform: Platform, events: list[Any], error: PublishError
) -> None:
    platform.publisher.outcomes["b"] = error
    platform.outbox.put("a", "b", "c")

    platform.relay.start()
    platform.wait_for(lambda: not platform.outbox.rows)

    assert platform.publisher.published == ["a", "c"]
    assert [("b", 1, str(error))] == [
        (waiting.message.message_id, waiting.attempts, waiting.error)
        for waiting in platform.outbox.stuck.values()
    ]
    platform.wait_for(lambda: platform.value("stuck") == 1)
    assert platform.relay.problem() == "1 messages in the outbox cannot be published"
    assert "1 stuck" in platform.relay.status()
    assert platform.value("failures_total") == 1
    stuck = [event for event in events if event.get("outcome") == "stuck"]
    assert [("error", "b")] == [(event["log_level"], event["message_id"]) for event in stuck]


def test_a_stuck_message_is_tried_again_and_its_error_not_said_again(
    platform: Platform, events: list[Any]
) -> None:
    platform.publisher.outcomes["a"] = UnroutableError("no queue")
    platform.outbox.put("a")
    platform.relay.start()
    platform.wait_for(lambda: platform.outbox.stuck)

    platform.outbox.due = {1}
    platform.wait_for(lambda: platform.outbox.stuck[1].attempts == 2)
    del platform.publisher.outcomes["a"]
    platform.outbox.due = {1}
    platform.wait_for(lambda: not platform.outbox.stuck)

    assert platform.publisher.published == ["a"]
    assert 1 == len([event for event in events if event.get("outcome") == "stuck"])
    platform.wait_for(lambda: platform.relay.problem() is None)


@pytest.mark.parametrize("error", [NotAcceptedError("queue is full"), UnconfirmedError("no reply")])
def test_what_the_broker_did_not_confirm_stays_and_all_wait(
    platform: Platform, events: list[Any], error: PublishError
) -> None:
    platform.publisher.outcomes["b"] = error
    platform.outbox.put("a", "b")

    platform.relay.start()
    platform.wait_for(lambda: len(platform.publisher.batches) >= 3)

    assert list(platform.outbox.rows) == [2]
    assert platform.relay.problem() == str(error)
    errors = [event["event"] for event in events if event["log_level"] == "error"]
    assert [f"Error: {error}; the outbox keeps the messages and tries again"] == errors
    platform.publisher.outcomes.clear()
    platform.wait_for(lambda: not platform.outbox.rows)
    platform.wait_for(lambda: platform.relay.problem() is None)


def test_without_a_broker_messages_wait_and_are_counted(platform: Platform) -> None:
    platform.publisher.problem = BrokerUnavailableError("Unable to connect")
    platform.outbox.put("a", "b")

    platform.relay.start()
    platform.wait_for(lambda: platform.value("depth") == 2)

    assert platform.relay.problem() == "Unable to connect"
    assert platform.value("oldest_age_seconds") == 1.5
    platform.publisher.problem = None
    platform.wait_for(lambda: not platform.outbox.rows)


def test_what_was_published_and_not_forgotten_is_published_again(platform: Platform) -> None:
    platform.database.commit_error = StoreUnavailableError("MySQL: away")
    platform.outbox.put("a")

    platform.relay.start()
    platform.wait_for(lambda: platform.database.rollbacks)
    platform.database.commit_error = None
    platform.wait_for(lambda: not platform.outbox.rows)

    assert len(platform.publisher.published) >= 2
    assert set(platform.publisher.published) == {"a"}


def test_the_outbox_is_full_at_its_limit_until_messages_are_published(platform: Platform) -> None:
    platform.outbox.put("a")
    for _ in range(LIMIT - 1):
        platform.relay.wake()
    assert not platform.relay.full()

    platform.relay.wake()
    assert platform.relay.full()

    platform.relay.start()
    platform.wait_for(lambda: not platform.relay.full())


def test_a_stop_leaves_what_is_not_published_in_the_outbox(platform: Platform) -> None:
    platform.publisher.problem = BrokerUnavailableError("Unable to connect")
    platform.outbox.put("a")
    platform.relay.start()

    platform.relay.stop()

    assert list(platform.outbox.rows) == [1]
    assert platform.publisher.closed
    assert platform.relay.hung() == "the outbox relay has ended"


def test_a_new_row_is_published_at_once_and_not_at_the_next_look(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a relay that has looked, and looks by itself much later only
    monkeypatch.setattr(relay_module, "POLL_SECONDS", 600)
    platform.outbox.put("a")
    platform.relay.start()
    wait_until(lambda: not platform.outbox.rows)
    platform.outbox.put("b")

    platform.relay.wake()

    wait_until(lambda: not platform.outbox.rows)
    assert platform.publisher.published == ["a", "b"]


def test_rows_of_others_are_found_without_being_woken(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "POLL_SECONDS", 0.05)
    platform.relay.start()
    platform.outbox.put("a")

    wait_until(lambda: not platform.outbox.rows)


@pytest.mark.parametrize(
    ("error", "least"), [(BrokerRefusedError("no"), 15.0), (BrokerUnavailableError("gone"), 0.0)]
)
def test_a_broker_that_refuses_is_asked_again_slowly(
    platform: Platform,
    monkeypatch: pytest.MonkeyPatch,
    error: BrokerUnavailableError,
    least: float,
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(Relay, "_pause", lambda _relay, seconds: pauses.append(seconds))
    platform.publisher.problem = error

    platform.relay.start()
    platform.wait_for(lambda: len(pauses) > 3)

    assert min(pauses) >= least
    assert least or max(pauses) <= 5


def test_whether_the_broker_is_there_and_what_fails_is_shown(platform: Platform) -> None:
    platform.relay.start()
    platform.wait_for(lambda: platform.value("broker_connected") == 1)
    assert platform.value("failures_total") == 0

    platform.publisher.connected = False
    platform.publisher.problem = BrokerUnavailableError("gone")

    platform.wait_for(lambda: platform.value("broker_connected") == 0)
    assert (platform.value("failures_total") or 0) >= 1


def test_a_relay_without_progress_hangs_and_one_without_a_broker_does_not(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "HUNG_SECONDS", 0.3)
    monkeypatch.setattr(Relay, "_pause", lambda _relay, _seconds: Event().wait(0.02))
    platform.publisher.problem = BrokerUnavailableError("gone")
    platform.relay.start()
    ended = monotonic() + 1
    while monotonic() < ended:
        assert platform.relay.hung() is None
        Event().wait(0.01)

    release = Event()

    def connect() -> None:
        release.wait(SECONDS)

    monkeypatch.setattr(platform.publisher, "connect", connect)

    platform.wait_for(lambda: "no progress" in (platform.relay.hung() or ""))
    release.set()
