"""What a consumer counts, and how its pauses grow: the figures that an operator goes by."""

from threading import Event
from typing import Any

import pytest
from pika import spec

from skillupworks.errors import PermanentError
from skillupworks.messaging import consumer as consumer_module
from skillupworks.runtime.backoff import Backoff

from .played_broker import PlayedBroker
from .running_consumer import Running, Start
from .waiting import SECONDS, wait_until

pytestmark = pytest.mark.usefixtures("events")


def test_messages_are_counted_by_what_became_of_them(broker: PlayedBroker, start: Start) -> None:
    running = start(retry_delays=(5,))
    running.process.errors = {"b": ValueError("surprise"), "c": PermanentError("no")}
    caller = broker.consuming()

    caller.deliver(b"a", b"b", b"c", b"a")

    wait_until(lambda: running.value("parked_total") == 1)
    counted = {name: running.value(f"{name}_total") for name in ("received", "retried", "parked")}
    assert counted == {"received": 4, "retried": 1, "parked": 1}
    assert running.value("processed_total") == 2
    # an attempt of a batch is none of a message
    assert running.value("failures_total") == 2


def test_each_call_of_the_handler_is_timed(broker: PlayedBroker, start: Start) -> None:
    running = start(batch=1)
    broker.consuming().deliver(b"a", b"b")

    wait_until(lambda: running.value("handler_seconds_count") == 2)
    assert 0 < (running.value("handler_seconds_sum") or 0) < SECONDS


def test_what_is_in_hand_is_shown_and_nothing_is_when_the_connection_is_lost(
    broker: PlayedBroker, start: Start
) -> None:
    begun, release = Event(), Event()

    def wait(_texts: list[str]) -> None:
        begun.set()
        assert release.wait(SECONDS)

    running = start(batch=1)
    running.process.during = wait
    caller = broker.consuming()
    wait_until(lambda: running.value("connected") == 1)

    caller.deliver(b"a", b"b")
    assert begun.wait(SECONDS)
    wait_until(lambda: running.value("in_flight") == 2)
    broker.ignore(spec.Connection.Open)
    caller.hang_up()

    wait_until(lambda: running.value("connected") == 0)
    assert running.value("in_flight") == 0
    assert (running.value("reconnects_total") or 0) >= 1
    release.set()


def test_the_length_of_the_queue_is_what_the_broker_says(
    broker: PlayedBroker, start: Start
) -> None:
    broker.answers[spec.Queue.Declare] = lambda caller, method: caller.send(
        spec.Queue.DeclareOk(method.queue, 7, 1)
    )
    running = start()

    wait_until(lambda: running.value("queue_length") == 7)


class TestPauses:
    """Between two attempts to connect."""

    @pytest.fixture(name="pauses")
    @staticmethod
    def _pauses(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
        """Return the bases and caps of the pauses that were made, each of no time."""
        made: list[tuple[float, float]] = []

        def next_pause(backoff: Any) -> float:
            made.append((backoff.base, backoff.cap))
            return 0.01

        monkeypatch.setattr(Backoff, "next_pause", next_pause)
        return made

    @staticmethod
    def test_who_is_refused_comes_back_slowly(
        broker: PlayedBroker, start: Start, pauses: list[tuple[float, float]]
    ) -> None:
        def refuse(caller: Any, _method: Any) -> None:
            caller.send(spec.Connection.Close(403, "ACCESS_REFUSED - no", 0, 0), 0)

        broker.answers[spec.Connection.StartOk] = refuse
        start()

        wait_until(lambda: len(pauses) > 1)
        assert set(pauses) == {(10, 60)}

    @staticmethod
    def test_who_lost_a_connection_comes_back_within_seconds(
        broker: PlayedBroker, start: Start, pauses: list[tuple[float, float]]
    ) -> None:
        start()
        broker.consuming(1).hang_up()
        broker.consuming(2)

        assert set(pauses) == {(0.5, 5)}

    @staticmethod
    def test_a_pause_lasts_as_long_as_its_series_says(
        broker: PlayedBroker, start: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Backoff, "next_pause", lambda _self: 2 * SECONDS)
        start()
        broker.consuming().hang_up()

        Event().wait(0.5)  # for what must not happen there is no event to wait for

        assert len(broker.callers) == 1

    @staticmethod
    def test_connections_that_are_lost_at_once_are_one_series(
        broker: PlayedBroker, start: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        attempts: list[int] = []

        def next_pause(backoff: Backoff) -> float:
            attempts.append(backoff.attempts)
            backoff.attempts += 1
            return 0.01

        monkeypatch.setattr(Backoff, "next_pause", next_pause)
        running = start()

        for number in (1, 2, 3):
            caller = broker.consuming(number)
            wait_until(lambda: running.consumer.broker_problem() is None)
            caller.hang_up()
            wait_until(lambda number=number: len(attempts) == number)  # type: ignore[misc]

        assert attempts == [0, 1, 2]


@pytest.mark.parametrize(
    ("stable", "settles", "resets"), [(60.0, False, False), (0.0, False, True), (60.0, True, True)]
)
def test_pauses_begin_anew_after_a_connection_that_was_good(  # noqa: PLR0913 - fixtures
    broker: PlayedBroker,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    *,
    stable: float,
    settles: bool,
    resets: bool,
) -> None:
    """One that held for a while, or on which a message was settled."""
    begun: list[Backoff] = []

    def reset(backoff: Backoff) -> None:
        begun.append(backoff)

    monkeypatch.setattr(Backoff, "reset", reset)
    monkeypatch.setattr(consumer_module, "STABLE_SECONDS", stable)
    running: Running = start()
    caller = broker.consuming(1)
    wait_until(lambda: running.consumer.broker_problem() is None)
    if settles:
        caller.deliver(b"a")
        wait_until(lambda: len(caller.of(spec.Basic.Ack)) == 1)

    caller.hang_up()
    broker.consuming(2)

    assert bool(begun) is resets
