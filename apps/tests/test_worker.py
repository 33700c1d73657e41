"""The worker acknowledges what was brought to an end, and keeps everything else."""

from collections.abc import Callable, Iterator
from datetime import datetime
from threading import Event
from time import monotonic
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from skillupworks.errors import BrokerUnavailableError, PermanentError, StoreUnavailableError
from skillupworks.messaging import worker as worker_module
from skillupworks.messaging.message import Delivery, Outcome
from skillupworks.messaging.metrics import ConsumerMetrics
from skillupworks.messaging.parking import Parking
from skillupworks.messaging.session import Session
from skillupworks.messaging.worker import Process, Ticket, Worker

from .conftest import DeliveryMaker

SECONDS = 10


class StubSession:
    """A session that notes what is acknowledged."""

    def __init__(self) -> None:
        self.over = Event()
        self.acknowledged: list[int] = []

    def acknowledge(self, tag: int) -> None:
        self.acknowledged.append(tag)


class StubParking:
    """A parking lot in memory; the first `refusals` attempts fail."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.parked: list[tuple[Delivery, PermanentError, int]] = []

    def park(
        self, delivery: Delivery, error: PermanentError, attempts: int, _first: datetime
    ) -> None:
        if self.refusals:
            self.refusals -= 1
            raise BrokerUnavailableError("blocked")
        self.parked.append((delivery, error, attempts))

    def serve(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr(worker_module, "PAUSE_CAP_SECONDS", 0.01)


StartWorker = Callable[[Process], Worker]


@pytest.fixture
def session() -> StubSession:
    """Return a session."""
    return StubSession()


@pytest.fixture
def parking() -> StubParking:
    """Return a parking lot."""
    return StubParking()


@pytest.fixture
def start(parking: StubParking, events: list[Any]) -> Iterator[StartWorker]:
    """Return a starter of workers, which are stopped at the end."""
    del events
    workers = []

    def start(process: Process) -> Worker:
        metrics = ConsumerMetrics(CollectorRegistry(), "order-processing")
        worker = Worker(process, cast("Parking", parking), metrics)
        workers.append(worker)
        worker.start()
        return worker

    yield start
    for worker in workers:
        worker.stop()
        assert worker.done.wait(SECONDS)


def ticket(delivery: Delivery, session: StubSession, tag: int = 1) -> Ticket:
    return Ticket(delivery, tag, cast("Session", session))


def finish(worker: Worker) -> None:
    """Let the worker handle what it has begun, and end."""
    worker.stop()
    assert worker.done.wait(SECONDS)


def wait_until(condition: Callable[[], bool]) -> None:
    end = monotonic() + SECONDS
    while not condition():
        assert monotonic() < end, "waited too long"
        Event().wait(0.005)


def test_a_processed_message_is_acknowledged(
    start: StartWorker, session: StubSession, delivery: DeliveryMaker
) -> None:
    worker = start(lambda _delivery, _attempt: Outcome.PROCESSED)

    worker.submit(ticket(delivery(), session, tag=7))

    wait_until(lambda: session.acknowledged == [7])
    assert worker.processed == 1


def test_a_permanent_error_parks_the_message_and_the_next_one_is_processed(
    start: StartWorker,
    session: StubSession,
    parking: StubParking,
    delivery: DeliveryMaker,
    events: list[Any],
) -> None:
    # Given a handler that cannot make sense of the first message
    def process(delivery: Delivery, _attempt: int) -> Outcome:
        if delivery.message_id == "bad":
            raise PermanentError("total: is 5, but the items add up to 1999", reason="invalid")
        return Outcome.PROCESSED

    worker = start(process)

    # When it comes before another
    worker.submit(ticket(delivery(message_id="bad"), session, tag=1))
    worker.submit(ticket(delivery(message_id="good"), session, tag=2))

    # Then it is parked with its reason, and both are acknowledged
    wait_until(lambda: session.acknowledged == [1, 2])
    assert [("bad", "invalid", 1)] == [
        (parked.message_id, error.reason, attempts) for parked, error, attempts in parking.parked
    ]
    assert worker.processed == 1
    parked = next(event for event in events if event.get("outcome") == "parked")
    assert ("bad", "invalid") == (parked["message_id"], parked["reason"])
    assert "total: is 5" in parked["event"]


def test_a_message_is_not_acknowledged_before_its_copy_is_parked(
    start: StartWorker, session: StubSession, parking: StubParking, delivery: DeliveryMaker
) -> None:
    def process(_delivery: Delivery, _attempt: int) -> Outcome:
        assert session.acknowledged == []
        raise PermanentError("no")

    parking.refusals = 3
    worker = start(process)

    worker.submit(ticket(delivery(), session))

    wait_until(lambda: session.acknowledged == [1])
    assert [4] == [attempts for _, _, attempts in parking.parked]


def test_any_other_error_keeps_the_message_until_it_works(
    start: StartWorker, session: StubSession, delivery: DeliveryMaker, events: list[Any]
) -> None:
    # Given a database that is away for four attempts, and then an unexpected error
    attempts = []

    def process(_delivery: Delivery, attempt: int) -> Outcome:
        attempts.append(attempt)
        if attempt <= 4:
            raise StoreUnavailableError("MySQL: away")
        if attempt == 5:
            raise RuntimeError("surprise")
        return Outcome.PROCESSED

    worker = start(process)

    # When a message comes
    worker.submit(ticket(delivery(), session))

    # Then it is tried until it works, and each problem is said once
    wait_until(lambda: session.acknowledged == [1])
    assert attempts == [1, 2, 3, 4, 5, 6]
    assert [1, 5] == [event["attempt"] for event in events]
    assert "MySQL: away" in events[0]["event"]
    assert worker.trouble() is None


def test_a_message_whose_connection_is_lost_is_left_to_the_broker(
    start: StartWorker, session: StubSession, delivery: DeliveryMaker
) -> None:
    # Given a message that is kept since the database is away
    def process(_delivery: Delivery, _attempt: int) -> Outcome:
        raise StoreUnavailableError("MySQL: away")

    worker = start(process)
    worker.submit(ticket(delivery(), session))
    wait_until(lambda: worker.trouble() is not None)

    # When its connection is lost
    session.over.set()

    # Then it is tried no longer, and not acknowledged
    wait_until(lambda: worker.trouble() is None)
    assert session.acknowledged == []


def test_deliveries_of_a_lost_connection_are_not_begun(
    start: StartWorker, session: StubSession, delivery: DeliveryMaker
) -> None:
    handled = []
    lost = StubSession()
    lost.over.set()

    def process(delivery: Delivery, _attempt: int) -> Outcome:
        handled.append(delivery.message_id)
        return Outcome.PROCESSED

    worker = start(process)
    worker.submit(ticket(delivery(message_id="old"), lost))
    worker.submit(ticket(delivery(message_id="new"), session))

    wait_until(lambda: session.acknowledged == [1])
    assert handled == ["new"]


def test_a_stop_finishes_the_message_in_hand_and_leaves_the_others(
    start: StartWorker, session: StubSession, delivery: DeliveryMaker
) -> None:
    # Given a message in the middle of its handler, and one behind it
    begun, release = Event(), Event()

    def process(_delivery: Delivery, _attempt: int) -> Outcome:
        begun.set()
        assert release.wait(SECONDS)
        return Outcome.PROCESSED

    worker = start(process)
    worker.submit(ticket(delivery(), session, tag=1))
    worker.submit(ticket(delivery(), session, tag=2))
    assert begun.wait(SECONDS)

    # When the service stops
    worker.stop()
    assert worker.busy_seconds() > 0
    release.set()

    # Then the first is finished and the second is not begun
    assert worker.done.wait(SECONDS)
    assert session.acknowledged == [1]


def test_a_broken_worker_is_noticed(
    start: StartWorker, session: StubSession, delivery: DeliveryMaker
) -> None:
    def process(_delivery: Delivery, _attempt: int) -> Outcome:
        raise SystemExit

    worker = start(process)
    worker.submit(ticket(delivery(), session))

    assert worker.done.wait(SECONDS)
    assert isinstance(worker.crash, SystemExit)
    assert session.acknowledged == []
