"""What failed is put where it belongs, and acknowledged once the broker has confirmed the copy."""

from typing import Any

import pytest

from skillupworks.errors import (
    NotAcceptedError,
    PermanentError,
    StoreUnavailableError,
    UnroutableError,
)
from skillupworks.messaging import sidetrack as sidetrack_module
from skillupworks.messaging.failures import Failure
from skillupworks.messaging.message import Delivery
from skillupworks.messaging.report import Report

from .messaging_stubs import MemoryPublisher, StubSession, metrics, text

DELAYS = (5, 30)
WRONG = PermanentError("no such product", reason="invalid")
AWAY = StoreUnavailableError("MySQL: Deadlock found")


@pytest.fixture
def session() -> StubSession:
    """Return a session."""
    return StubSession()


@pytest.fixture
def publisher() -> MemoryPublisher:
    """Return a publisher."""
    return MemoryPublisher()


@pytest.fixture
def report(events: list[Any]) -> Report[Any]:
    """Return a report into the events."""
    del events
    return Report(lambda _message: {}, metrics(), announce=True)


def failed(session: StubSession, *failures: tuple[str | Delivery, Exception, int]) -> list[Any]:
    deliveries = [text(body) if isinstance(body, str) else body for body, _, _ in failures]
    tickets = session.tickets(*deliveries)
    return [
        (ticket, Failure(ticket.delivery, error, attempt))
        for ticket, (_, error, attempt) in zip(tickets, failures, strict=True)
    ]


def ways(publisher: MemoryPublisher) -> list[tuple[str, str]]:
    return [(message.body.decode(), message.routing_key) for message in publisher.published]


def test_an_error_is_retried_after_the_declared_delays_and_then_parked(
    session: StubSession, publisher: MemoryPublisher, report: Report[Any]
) -> None:
    failures = failed(session, ("a", AWAY, 1), ("b", AWAY, 2), ("c", AWAY, 3), ("d", AWAY, 99))

    assert publisher.sidetrack(*DELAYS).put(failures, report) == ([], None)

    assert ways(publisher) == [
        ("a", "orders.retry.5s"),
        ("b", "orders.retry.30s"),
        ("c", "orders"),
        ("d", "orders"),
    ]
    assert [message.exchange for message in publisher.published] == ["", "", *["shop.dlx"] * 2]
    assert session.acknowledged == [1, 2, 3, 4]


def test_a_permanent_error_is_parked_at_once(
    session: StubSession, publisher: MemoryPublisher, report: Report[Any], events: list[Any]
) -> None:
    publisher.sidetrack(*DELAYS).put(failed(session, ("a", WRONG, 1)), report)

    assert ways(publisher) == [("a", "orders")]
    assert session.acknowledged == [1]
    (event,) = events
    assert event["event"] == "Message a parked: no such product"
    assert (event["outcome"], event["reason"], event["attempt"]) == ("parked", "invalid", 1)
    assert event["exc_info"] is None


def test_without_delays_everything_is_parked_at_once(
    session: StubSession, publisher: MemoryPublisher, report: Report[Any]
) -> None:
    publisher.sidetrack().put(failed(session, ("a", AWAY, 1)), report)

    assert ways(publisher) == [("a", "orders")]


def test_nothing_is_acknowledged_before_the_broker_confirmed_the_copy(
    session: StubSession, publisher: MemoryPublisher, report: Report[Any]
) -> None:
    publisher.confirm = lambda: _assert(not session.acknowledged)

    publisher.sidetrack(*DELAYS).put(failed(session, ("a", WRONG, 1), ("b", AWAY, 1)), report)

    assert session.acknowledged == [1, 2]


def test_while_the_broker_is_away_everything_is_left_and_nothing_is_said_to_be_done(
    session: StubSession, publisher: MemoryPublisher, report: Report[Any], events: list[Any]
) -> None:
    publisher.away = 1
    failures = failed(session, ("a", WRONG, 1), ("b", AWAY, 1))

    left, problem = publisher.sidetrack(*DELAYS).put(failures, report)

    assert left == failures
    assert problem == "Unable to connect to RabbitMQ at 10.0.0.2: gone"
    assert session.acknowledged == []
    assert events == []


def test_what_the_broker_does_not_take_is_left_with_the_reason_and_the_rest_is_acknowledged(
    session: StubSession, publisher: MemoryPublisher, report: Report[Any]
) -> None:
    publisher.outcomes["orders"] = NotAcceptedError("the queue is full")
    failures = failed(session, ("a", WRONG, 1), ("b", AWAY, 1))

    left, problem = publisher.sidetrack(*DELAYS).put(failures, report)

    assert left == failures[:1]
    assert problem == "the queue is full"
    assert session.acknowledged == [2]


def test_a_queue_that_somebody_has_deleted_is_made_again_by_the_next_connection(
    session: StubSession, publisher: MemoryPublisher, report: Report[Any]
) -> None:
    publisher.outcomes["orders.retry.5s"] = UnroutableError("no queue is bound")

    publisher.sidetrack(*DELAYS).put(failed(session, ("a", AWAY, 1)), report)

    assert publisher.closed == 1


def test_many_large_messages_are_sent_in_portions(
    session: StubSession,
    publisher: MemoryPublisher,
    report: Report[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sidetrack_module, "PORTION_BYTES", 100)
    sizes = [60, 40, 1, 200, 99, 1]
    failures = failed(session, *[("x" * size, WRONG, 1) for size in sizes])

    publisher.sidetrack(*DELAYS).put(failures, report)

    assert publisher.portions == [2, 1, 1, 2]
    assert session.acknowledged == [1, 2, 3, 4, 5, 6]


def test_after_a_portion_that_failed_the_others_are_left(
    session: StubSession,
    publisher: MemoryPublisher,
    report: Report[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sidetrack_module, "PORTION_BYTES", 1)
    publisher.away = 1
    failures = failed(session, ("a", WRONG, 1), ("b", WRONG, 1))

    left, _problem = publisher.sidetrack(*DELAYS).put(failures, report)

    assert left == failures
    assert publisher.published == []


def test_an_unexpected_error_keeps_its_traceback_in_the_log(
    session: StubSession, publisher: MemoryPublisher, report: Report[Any], events: list[Any]
) -> None:
    error = ZeroDivisionError("division by zero")

    publisher.sidetrack(*DELAYS).put(failed(session, ("a", error, 1)), report)

    (event,) = events
    assert event["exc_info"] is error
    assert event["event"] == "Error: division by zero; message a is tried again in 5 s"


def test_an_endless_error_is_cut_in_the_log(
    session: StubSession, publisher: MemoryPublisher, report: Report[Any], events: list[Any]
) -> None:
    error = PermanentError("; ".join(f"items[{place}]: wrong" for place in range(10_000)))

    publisher.sidetrack(*DELAYS).put(failed(session, ("a", error, 1)), report)

    assert len(events[0]["event"]) < 1100


class TestNativeRetry:
    """A broker that delays what is rejected does the waiting."""

    @staticmethod
    def test_what_is_to_be_tried_again_is_given_back_and_what_is_not_is_parked(
        publisher: MemoryPublisher, report: Report[Any]
    ) -> None:
        session = StubSession(native_retry=True)

        publisher.sidetrack(*DELAYS).put(
            failed(session, ("a", AWAY, 1), ("b", WRONG, 1), ("c", AWAY, 5)), report
        )

        assert session.given_back == [1]
        assert ways(publisher) == [("b", "orders"), ("c", "orders")]
        assert session.acknowledged == [2, 3]

    @staticmethod
    def test_it_is_tried_for_as_long_in_all_and_the_delays_that_are_said_are_the_brokers(
        publisher: MemoryPublisher, report: Report[Any], events: list[Any]
    ) -> None:
        sidetrack = publisher.sidetrack(*DELAYS)

        for attempt in range(1, 6):
            session = StubSession(native_retry=True)
            message = text("a", headers={"x-delivery-count": attempt - 1})
            sidetrack.put(failed(session, (message, AWAY, attempt)), report)

        said = [event["event"].rpartition("; ")[2] for event in events]
        assert [line for line in said if "tried again" in line] == [
            f"message a is tried again in {seconds} s" for seconds in (5, 10, 15, 20)
        ]
        assert ways(publisher) == [("a", "orders")]

    @staticmethod
    def test_the_delay_of_a_message_from_a_wait_queue_is_the_brokers_first_one(
        publisher: MemoryPublisher, report: Report[Any], events: list[Any]
    ) -> None:
        session = StubSession(native_retry=True)
        message = text("a", headers={"skillupworks-attempts": 2})

        publisher.sidetrack(*DELAYS).put(failed(session, (message, AWAY, 3)), report)

        assert events[0]["event"].endswith("message a is tried again in 5 s")
        assert events[0]["attempt"] == 3

    @staticmethod
    def test_what_was_given_back_is_not_given_back_again_while_the_broker_takes_no_copies(
        publisher: MemoryPublisher, report: Report[Any]
    ) -> None:
        session = StubSession(native_retry=True)
        publisher.away = 1
        sidetrack = publisher.sidetrack(*DELAYS)

        left, _problem = sidetrack.put(failed(session, ("a", AWAY, 1), ("b", WRONG, 1)), report)
        left, _problem = sidetrack.put(left, report)

        assert left == []
        assert session.given_back == [1]
        assert session.acknowledged == [2]


def test_its_connection_is_looked_after(publisher: MemoryPublisher) -> None:
    sidetrack = publisher.sidetrack(*DELAYS)

    sidetrack.serve()
    sidetrack.close()

    assert (publisher.served, publisher.closed) == (1, 1)


def _assert(condition: bool) -> None:  # noqa: FBT001 - an assertion as an expression
    assert condition
