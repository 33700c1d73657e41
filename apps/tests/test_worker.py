"""The worker acknowledges what was brought to an end, once, and keeps everything else."""

from collections.abc import Callable, Iterator, Sequence
from threading import Event
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from skillupworks.errors import (
    NotAcceptedError,
    PermanentError,
    StoreNotReadyError,
    StoreUnavailableError,
)
from skillupworks.messaging import worker as worker_module
from skillupworks.messaging.mailbox import Mailbox
from skillupworks.messaging.message import Delivery, Outcome, Work
from skillupworks.messaging.worker import Worker

from .messaging_stubs import MemoryPublisher, StubProcess, StubSession, declaration, metrics, text
from .waiting import SECONDS, wait_until

WRONG = PermanentError("no such product", reason="invalid")
AWAY = StoreUnavailableError("MySQL: away")


class Bench:
    """A worker with everything around it."""

    def __init__(self, process: StubProcess | None = None, **changes: Any) -> None:
        self.process = process or StubProcess()
        self.publisher = MemoryPublisher()
        self.session = StubSession()
        self.mailbox = Mailbox()
        self.metrics = metrics()
        self.declaration = declaration(self.process, **changes)
        self.workers: list[Worker[str]] = []

    def start(self) -> Worker[str]:
        worker = Worker(
            self.declaration,
            self.mailbox,
            self.publisher.sidetrack(*self.declaration.retry_delays),
            self.metrics,
            lambda: None,
        )
        self.workers.append(worker)
        worker.start()
        return worker

    def deliver(self, *deliveries: str | Delivery) -> None:
        """Bring deliveries, with tags from 1, all at the same time."""
        made = [text(body) if isinstance(body, str) else body for body in deliveries]
        self.mailbox.put(self.session.tickets(*made))

    def handle(self, *deliveries: str | Delivery) -> Worker[str]:
        """Bring deliveries, and let a worker handle them and end."""
        self.deliver(*deliveries)
        worker = self.start()
        self.stop()
        return worker

    def stop(self) -> None:
        """Let the workers end."""
        self.mailbox.close()
        for worker in self.workers:
            assert worker.done.wait(SECONDS)

    @property
    def copies(self) -> list[tuple[str, str, object]]:
        """What was put aside: the text, where to, and after which attempt."""
        return [
            (message.body.decode(), message.routing_key, message.headers["skillupworks-attempts"])
            for message in self.publisher.published
        ]

    def counted(self, name: str) -> float:
        """Return a counter's value."""
        ((sample, *_),) = (family.samples for family in getattr(self.metrics, name).collect())
        return float(sample.value)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr(worker_module, "PAUSE_CAP_SECONDS", 0.01)


MakeBench = Callable[..., Bench]


@pytest.fixture
def make(events: list[Any]) -> Iterator[MakeBench]:
    """Return a maker of benches, whose workers are stopped at the end."""
    del events
    benches: list[Bench] = []

    def make(process: StubProcess | None = None, **changes: Any) -> Bench:
        benches.append(Bench(process, **changes))
        return benches[-1]

    yield make
    for bench in benches:
        bench.process.problem = bench.process.error = None
        bench.stop()


@pytest.fixture
def bench(make: MakeBench) -> Bench:
    """Return a bench with the usual declaration."""
    return make(retry_delays=(5, 30))


class TestBatches:
    """Messages that are here together are processed together."""

    @staticmethod
    def test_a_batch_is_committed_once_and_acknowledged_once(bench: Bench) -> None:
        worker = bench.handle("a", "b", "c")

        assert bench.process.calls == [["a", "b", "c"]]
        assert bench.session.acknowledgements == [[1, 2, 3]]
        assert worker.processed == 3
        assert bench.counted("received") == bench.counted("processed") == 3

    @staticmethod
    def test_a_batch_is_no_larger_than_declared(make: MakeBench) -> None:
        bench = make(batch=2)

        bench.handle("a", "b", "c")

        assert bench.process.calls == [["a", "b"], ["c"]]

    @staticmethod
    def test_a_duplicate_is_acknowledged_and_not_counted_as_processed(
        bench: Bench, events: list[Any]
    ) -> None:
        bench.process.outcomes = {"b": Outcome.DUPLICATE}

        worker = bench.handle("a", "b")

        assert bench.session.acknowledgements == [[1, 2]]
        assert worker.processed == 1
        assert bench.counted("duplicates") == 1
        assert ["Processed message a"] == [event["event"] for event in events]

    @staticmethod
    def test_one_bad_message_in_a_batch_is_parked_and_its_neighbours_are_processed(
        bench: Bench, events: list[Any]
    ) -> None:
        bench.process.errors = {"b": WRONG}

        worker = bench.handle("a", "b", "c")

        assert bench.process.calls == [["a", "b", "c"], ["a"], ["b"], ["c"]]
        assert bench.session.acknowledgements == [[1], [3], [2]]
        assert bench.copies == [("b", "orders", 1)]
        assert worker.processed == 2
        (parked,) = [event for event in events if event.get("outcome") == "parked"]
        assert parked["event"] == "Message b parked: no such product"

    @staticmethod
    def test_a_message_that_cannot_be_read_is_parked_and_does_not_break_the_batch(
        make: MakeBench,
    ) -> None:
        def read(delivery: Delivery) -> str:
            if delivery.body == b"b":
                raise PermanentError("body: is not JSON", reason="malformed")
            return delivery.body.decode()

        bench = make(read=read)

        bench.handle("a", "b", "c")

        assert bench.process.calls == [["a", "c"]]
        assert bench.copies == [("b", "orders", 1)]
        assert sorted(bench.session.acknowledged) == [1, 2, 3]

    @staticmethod
    def test_a_reader_that_breaks_is_the_messages_own_failure(bench: Bench) -> None:
        worker = bench.handle("a", Delivery(b"\xff"))

        assert bench.process.calls == [["a"]]
        (copy,) = bench.publisher.published
        assert copy.routing_key == "orders.retry.5s"
        assert copy.headers["skillupworks-error-class"] == "UnicodeDecodeError"
        assert worker.crash is None

    @staticmethod
    def test_an_unexpected_error_of_a_batch_keeps_its_traceback_in_the_log(
        bench: Bench, events: list[Any]
    ) -> None:
        error = ZeroDivisionError("division by zero")
        bench.process.errors = {"b": error}

        bench.handle("a", "b")

        assert events[0]["event"].startswith("A batch of 2 messages failed, each is tried alone")
        assert events[0]["exc_info"] is error
        (retried,) = [event for event in events if event.get("outcome") == "retried"]
        assert retried["exc_info"] is error

    @staticmethod
    def test_an_expected_error_of_a_batch_is_said_for_the_message_alone(
        bench: Bench, events: list[Any]
    ) -> None:
        bench.process.errors = {"b": WRONG}

        bench.handle("a", "b")

        assert ["processed", "parked"] == [event["outcome"] for event in events]


class TestFailures:
    """What is a message's own fault, and what is nobody's."""

    @staticmethod
    def test_an_error_that_is_the_messages_own_is_retried_after_the_declared_delays_and_parked(
        bench: Bench,
    ) -> None:
        # Given a message that fails each time
        bench.process.errors = {"a": ValueError("surprise")}
        bench.start()
        message = text("a")
        ways = []

        # When it comes back from where it was put, until it does not come back
        for attempt in (1, 2, 3):
            bench.deliver(message)
            wait_until(lambda attempt=attempt: len(bench.publisher.published) == attempt)  # type: ignore[misc]
            copy = bench.publisher.published[-1]
            message = text("a", headers=copy.headers, routing_key="orders")
            ways.append(copy.routing_key)

        # Then it was tried three times, and is parked
        assert ways == ["orders.retry.5s", "orders.retry.30s", "orders"]
        assert bench.process.attempts == [1, 2, 3]
        assert copy.exchange == "shop.dlx"
        assert copy.headers["skillupworks-attempts"] == 3

    @staticmethod
    def test_while_the_database_is_away_messages_are_held_and_nothing_is_put_aside(
        bench: Bench, events: list[Any]
    ) -> None:
        # Given a database that is away
        bench.process.error = AWAY
        bench.process.problem = "MySQL: away"
        worker = bench.start()

        # When messages come, and are tried again and again
        bench.deliver("a", "b")
        wait_until(lambda: len(bench.process.calls) > 5)

        # Then they are in hand, and the outage is said once
        assert worker.trouble() == "MySQL: away"
        assert bench.session.acknowledged == []
        assert bench.publisher.published == []
        assert ["Error: MySQL: away; 2 messages are kept and tried again"] == [
            event["event"] for event in events
        ]
        assert bench.counted("failures") == 1

        # And when it is back, they are processed, together, in their first attempt
        bench.process.error = bench.process.problem = None
        wait_until(lambda: bench.session.acknowledgements == [[1, 2]])
        assert set(bench.process.attempts) == {1}
        assert worker.trouble() is None
        assert bench.copies == []

    @staticmethod
    def test_a_database_that_answers_but_is_not_migrated_is_no_messages_fault(
        bench: Bench, events: list[Any]
    ) -> None:
        bench.process.error = StoreNotReadyError("MySQL: Table 'orders.inbox' doesn't exist")
        bench.start()
        bench.deliver("a", "b")
        wait_until(lambda: len(bench.process.calls) > 5)
        assert bench.copies == []

        bench.process.error = None

        wait_until(lambda: bench.session.acknowledgements == [[1, 2]])
        problem = "MySQL: Table 'orders.inbox' doesn't exist"
        assert events[0]["event"] == f"Error: {problem}; 2 messages are kept and tried again"

    @staticmethod
    def test_one_message_alone_is_held_as_well(bench: Bench, events: list[Any]) -> None:
        bench.process.error = ValueError("surprise")
        bench.process.problem = "SMTP: away"
        bench.start()
        bench.deliver("a")
        wait_until(lambda: len(bench.process.calls) > 2)

        bench.process.error = None

        wait_until(lambda: bench.session.acknowledged == [1])
        assert events[0]["event"] == "Error: SMTP: away; 1 message is kept and tried again"

    @staticmethod
    def test_a_failed_message_is_held_until_the_broker_takes_its_copy(
        bench: Bench, events: list[Any]
    ) -> None:
        bench.publisher.away = 3
        bench.process.errors = {"b": WRONG}

        bench.handle("a", "b")

        assert bench.session.acknowledgements == [[1], [2]]
        assert bench.copies == [("b", "orders", 1)]
        (held,) = [event["event"] for event in events if event["outcome"] == "held"]
        assert held.endswith(" 10.0.0.2: gone; 1 message is kept and tried again")

    @staticmethod
    def test_a_full_dead_letter_queue_holds_the_message_and_says_so(bench: Bench) -> None:
        bench.publisher.outcomes["orders"] = NotAcceptedError("its queue is full")
        bench.process.errors = {"a": WRONG}
        worker = bench.start()
        bench.deliver("a")
        wait_until(lambda: worker.trouble() == "its queue is full")

        bench.publisher.outcomes.clear()

        wait_until(lambda: bench.session.acknowledged == [1])
        wait_until(lambda: worker.trouble() is None)


class TestReports:
    """What is said about a message does not decide what becomes of it."""

    @staticmethod
    def test_a_processed_message_is_reported_with_its_facts(
        make: MakeBench, events: list[Any]
    ) -> None:
        bench = make(facts=lambda message: {"order_id": f"ORD-{message}"})
        traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

        bench.handle(text("a", headers={"traceparent": traceparent, "skillupworks-attempts": 1}))

        (event,) = events
        assert event["event"] == "Processed message a"
        assert (event["outcome"], event["order_id"]) == ("processed", "ORD-a")
        assert (event["message_id"], event["attempt"]) == ("a", 2)
        assert event["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
        assert event["duration_ms"] >= 0

    @staticmethod
    def test_a_handler_that_speaks_for_itself_is_not_talked_over(
        make: MakeBench, events: list[Any]
    ) -> None:
        make(announce=False).handle("a")

        assert events == []

    @staticmethod
    def test_a_message_that_cannot_be_reported_is_processed_once_and_acknowledged_once(
        make: MakeBench, events: list[Any]
    ) -> None:
        def facts(_message: str) -> dict[str, str]:
            raise KeyError("order_id")

        bench = make(facts=facts)

        bench.handle("a", "b")

        assert bench.process.calls == [["a", "b"]]
        assert bench.session.acknowledgements == [[1, 2]]
        assert ["Cannot report message a", "Cannot report message b"] == [
            event["event"] for event in events
        ]

    @staticmethod
    def test_outcomes_that_are_not_one_for_each_message_are_no_reason_to_acknowledge_any(
        make: MakeBench,
    ) -> None:
        class Forgetful(StubProcess):
            def __call__(self, batch: Sequence[Work[str]]) -> list[Outcome]:
                return super().__call__(batch)[1:]

        bench = make(Forgetful())

        bench.handle("a", "b")

        assert bench.process.calls == [["a", "b"], ["a"], ["b"]]
        assert bench.session.acknowledgements == [[1, 2]]
        assert [("a", "orders.retry.5s", 1), ("b", "orders.retry.5s", 1)] == bench.copies
        assert "0 outcomes for 1 messages" in str(
            bench.publisher.published[0].headers["skillupworks-error"]
        )


class TestSessions:
    """A message whose session is over is the broker's again."""

    @staticmethod
    def test_deliveries_of_a_lost_session_are_dropped(bench: Bench) -> None:
        lost = StubSession()
        bench.mailbox.put(lost.tickets(text("old")))
        lost.over.set()

        bench.handle("new")

        assert bench.process.calls == [["new"]]
        assert lost.acknowledged == []

    @staticmethod
    def test_a_message_in_hand_whose_session_is_lost_is_left_to_the_broker(bench: Bench) -> None:
        # Given messages that are held since the database is away
        bench.process.error = AWAY
        bench.process.problem = "MySQL: away"
        worker = bench.start()
        bench.deliver("a", "b")
        wait_until(lambda: worker.trouble() is not None)

        # When their session is lost
        bench.session.over.set()

        # Then they are tried no longer, and not acknowledged
        wait_until(lambda: worker.trouble() is None)
        assert bench.session.acknowledged == []

        # And the worker goes on with others
        bench.process.error = bench.process.problem = None
        bench.session = StubSession()
        bench.deliver("c")
        wait_until(lambda: bench.session.acknowledged == [1])

    @staticmethod
    def test_of_a_batch_that_is_done_one_by_one_the_rest_is_left_when_the_session_is_lost(
        bench: Bench,
    ) -> None:
        bench.process.errors = {"c": ValueError("surprise")}

        def lose(texts: list[str]) -> None:
            if texts == ["a"]:
                bench.session.over.set()

        bench.process.during = lose

        bench.handle("a", "b", "c")

        assert bench.process.calls == [["a", "b", "c"], ["a"]]
        assert bench.copies == []


class TestEnd:
    """How a worker ends, and how it is noticed when it does not work."""

    @staticmethod
    def test_a_stop_finishes_what_is_in_the_mailbox(make: MakeBench) -> None:
        # Given a message in the middle of its handler, and others behind it
        bench = make(batch=1)
        begun, release = Event(), Event()

        def wait(_texts: list[str]) -> None:
            begun.set()
            assert release.wait(SECONDS)

        bench.process.during = wait
        worker = bench.start()
        bench.deliver("a", "b", "c")
        assert begun.wait(SECONDS)

        # When the service stops
        bench.mailbox.close()
        assert worker.busy_seconds() > 0
        release.set()

        # Then all of them are finished
        assert worker.done.wait(SECONDS)
        assert bench.session.acknowledged == [1, 2, 3]
        assert bench.publisher.closed == 1

    @staticmethod
    def test_time_in_a_handler_is_measured_and_time_that_messages_are_held_is_not(
        bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(worker_module, "PAUSE_BASE_SECONDS", 60)
        monkeypatch.setattr(worker_module, "PAUSE_CAP_SECONDS", 60)
        bench.process.error = AWAY
        bench.process.problem = "MySQL: away"
        worker = bench.start()
        assert worker.busy_seconds() == 0

        bench.deliver("a")
        wait_until(lambda: worker.trouble() is not None)

        wait_until(lambda: worker.busy_seconds() == 0)
        bench.session.over.set()

    @staticmethod
    @pytest.mark.parametrize("error", [SystemExit(), KeyboardInterrupt()])
    def test_a_broken_worker_is_noticed(bench: Bench, error: BaseException) -> None:
        bench.process.error = error
        worker = bench.start()

        bench.deliver("a")

        assert worker.done.wait(SECONDS)
        assert worker.crash is error
        assert bench.session.acknowledged == []

    @staticmethod
    def test_a_worker_that_breaks_while_it_ends_is_noticed_too(
        bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def close() -> None:
            raise AssertionError("pika")

        monkeypatch.setattr(bench.publisher, "close", close)

        worker = bench.handle("a")

        assert isinstance(worker.crash, AssertionError)
        assert bench.session.acknowledged == [1]

    @staticmethod
    def test_its_publishing_connection_is_looked_after_with_and_without_work(
        bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(worker_module, "IDLE_SECONDS", 0.01)
        bench.start()
        wait_until(lambda: bench.publisher.served > 2)

        served = bench.publisher.served
        while bench.publisher.served < served + 3:
            bench.deliver("a")


class TestProperty:
    """Whatever messages do: each is processed or put aside, and acknowledged once."""

    @given(
        kinds=st.lists(st.sampled_from(["good", "bad", "odd"]), min_size=1, max_size=12),
        batch=st.integers(1, 5),
        workers=st.integers(1, 3),
        away=st.integers(0, 3),
    )
    def test_each_message_is_settled_once(
        self, kinds: list[str], batch: int, workers: int, away: int
    ) -> None:
        with capture_logs():
            bench = Bench(batch=batch, retry_delays=(5,), announce=False)
            bench.publisher.away = away
            names = [f"{kind}-{place}" for place, kind in enumerate(kinds)]
            bench.process.errors = {
                name: WRONG if name.startswith("bad") else ValueError("odd")
                for name in names
                if not name.startswith("good")
            }
            bench.deliver(*names)
            for _ in range(workers):
                bench.start()
            bench.stop()

        assert [worker.crash for worker in bench.workers] == [None] * workers
        assert sorted(bench.session.acknowledged) == list(range(1, len(names) + 1))
        processed = sum(worker.processed for worker in bench.workers)
        assert processed == kinds.count("good")
        assert sorted(copy[:2] for copy in bench.copies) == sorted(
            (name, "orders" if name.startswith("bad") else "orders.retry.5s")
            for name in names
            if not name.startswith("good")
        )
