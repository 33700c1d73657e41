"""A consumer survives what a broker does, ends in order, and says what is the matter once."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from time import monotonic, sleep
from typing import Any

import pytest
from pika import frame, spec

from skillupworks.errors import StoreUnavailableError, TopologyError
from skillupworks.messaging import consumer as consumer_module
from skillupworks.messaging import crew as crew_module
from skillupworks.messaging import link as link_module
from skillupworks.messaging.message import Outcome, Work
from skillupworks.runtime.backoff import Backoff
from skillupworks.runtime.notify import Notifier

from .messaging_stubs import TOPOLOGY, StubProcess
from .played_broker import Caller, Method, PlayedBroker
from .running_consumer import Start
from .waiting import SECONDS, wait_until

pytestmark = pytest.mark.usefixtures("events")


def lines(events: list[Any]) -> list[str]:
    return [event["event"] for event in events]


class TestDeliveries:
    """From the wire to the handler and back."""

    @staticmethod
    def test_messages_that_come_together_are_processed_and_acknowledged_together(
        broker: PlayedBroker, start: Start
    ) -> None:
        running = start()
        caller = broker.consuming()

        caller.deliver(b"a", b"b", b"c")

        wait_until(lambda: bool(caller.of(spec.Basic.Ack)))
        assert running.process.calls == [["a", "b", "c"]]
        assert [(3, True)] == [
            (ack.delivery_tag, ack.multiple) for ack in caller.of(spec.Basic.Ack)
        ]

    @staticmethod
    def test_a_handler_sees_a_message_with_all_that_came_with_it(
        broker: PlayedBroker, start: Start
    ) -> None:
        works: list[Work[str]] = []

        class Collecting(StubProcess):
            def __call__(self, batch: Any) -> list[Outcome]:
                works.extend(batch)
                return super().__call__(batch)

        start(process=Collecting())
        broker.consuming().deliver(
            b"a",
            message_id="message-1",
            type="order",
            content_type="application/json",
            headers={"skillupworks-attempts": 2},
        )

        wait_until(lambda: bool(works))
        delivery = works[0].delivery
        assert works[0].attempt == 3
        assert (delivery.message_id, delivery.type) == ("message-1", "order")
        assert (delivery.exchange, delivery.routing_key) == ("shop", "orders")
        assert delivery.content_type == "application/json"
        assert 0 < len(delivery.token) <= 32

    @staticmethod
    def test_no_more_are_asked_for_than_declared(broker: PlayedBroker, start: Start) -> None:
        start(prefetch=17)

        (qos,) = broker.consuming().of(spec.Basic.Qos)
        assert qos.prefetch_count == 17

    @staticmethod
    def test_everything_it_relies_on_is_declared_before(broker: PlayedBroker, start: Start) -> None:
        start(retry_delays=(5, 30))

        queues = broker.consuming().of(spec.Queue.Declare)[:4]
        names = [queue.queue for queue in queues]
        assert names == ["orders-dlq", "orders", "orders.retry.5s", "orders.retry.30s"]
        assert queues[2].arguments == {
            "x-queue-type": "quorum",
            "x-message-ttl": 5000,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": "orders",
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }

    @staticmethod
    @pytest.mark.parametrize(("version", "has_policies"), [("4.3.1", False), ("4.3.0", True)])
    def test_what_failed_waits_in_a_queue_unless_both_broker_and_policy_delay_it(
        broker: PlayedBroker, start: Start, version: str, *, has_policies: bool
    ) -> None:
        broker.version = version
        topology = replace(TOPOLOGY, has_policies=has_policies)
        running = start(topology=topology, retry_delays=(5, 30))
        running.process.errors = {"a": ValueError("surprise")}
        caller = broker.consuming()

        caller.deliver(b"a")

        wait_until(lambda: bool(caller.of(spec.Basic.Ack)))
        assert caller.of(spec.Basic.Reject) == []
        assert {queue.queue for queue in caller.of(spec.Queue.Declare)} > {"orders.retry.5s"}
        keys = [publish.routing_key for at in broker.callers for publish, _, _ in at.published]
        assert keys == ["orders.retry.5s"]

    @staticmethod
    def test_a_queue_that_delays_by_its_policy_gets_no_wait_queues(
        broker: PlayedBroker, start: Start
    ) -> None:
        broker.version = "4.3.1"
        running = start(topology=replace(TOPOLOGY, has_policies=True), retry_delays=(5, 30))
        running.process.errors = {"a": ValueError("surprise")}
        caller = broker.consuming()

        caller.deliver(b"a")

        wait_until(lambda: bool(caller.of(spec.Basic.Reject)))
        assert caller.of(spec.Basic.Reject)[0].requeue
        assert {queue.queue for queue in caller.of(spec.Queue.Declare)} == {"orders", "orders-dlq"}

    @staticmethod
    def test_a_broker_that_comes_back_as_a_newer_one_goes_on_with_the_count_of_attempts(
        broker: PlayedBroker, start: Start
    ) -> None:
        # Given a message that failed, and went to a wait queue
        broker.version = "4.2.9"
        running = start(topology=replace(TOPOLOGY, has_policies=True), retry_delays=(5, 30))
        running.process.errors = {"a": ValueError("surprise")}
        old = broker.consuming()
        old.deliver(b"a", message_id="message-1")
        wait_until(lambda: bool(old.of(spec.Basic.Ack)))
        ((publish, properties, _),) = [
            found for caller in broker.callers for found in caller.published
        ]
        assert publish.routing_key == "orders.retry.5s"
        waited: Any = properties.headers

        # When the broker restarts as one that delays by itself, and the message comes back
        broker.version = "4.3.6"
        for caller in list(broker.callers):
            caller.hang_up()
        new = broker.consuming(2)
        new.deliver(b"a", message_id="message-1", headers=waited)

        # Then it is tried for the second time and given back, and no wait queue is asked for
        wait_until(lambda: bool(new.of(spec.Basic.Reject)))
        assert running.process.attempts == [1, 2]
        assert {queue.queue for queue in new.of(spec.Queue.Declare)} == {"orders", "orders-dlq"}

        # And when it has come back so often that this is the last attempt, it is parked
        delayed = waited | {"x-delivery-count": 3}
        new.deliver(b"a", message_id="message-1", headers=delayed)
        wait_until(lambda: bool(new.of(spec.Basic.Ack)))
        publish, properties, _ = broker.callers[-1].published[-1]
        parked: Any = properties.headers
        assert publish.exchange == "shop.dlx"
        assert parked["skillupworks-attempts"] == 5
        first = "skillupworks-first-failed-at"
        assert parked[first] == waited[first]

    @staticmethod
    def test_a_message_that_failed_is_acknowledged_once_its_copy_is_confirmed(
        broker: PlayedBroker, start: Start
    ) -> None:
        # Given a broker that takes its time with confirms
        confirms: list[Callable[[], None]] = []

        def wait(caller: Caller, method: Method) -> None:
            confirms.append(lambda: caller.answer_as_usual(method))

        broker.answers[spec.Basic.Publish] = wait
        running = start(retry_delays=(5,))
        running.process.errors = {"b": ValueError("surprise")}
        caller = broker.consuming()

        # When one of three messages fails
        caller.deliver(b"a", b"b", b"c")
        wait_until(lambda: bool(confirms))

        # Then the others are acknowledged, and this one when its copy is
        assert {ack.delivery_tag for ack in caller.of(spec.Basic.Ack)} == {1, 3}
        confirms[0]()
        wait_until(lambda: len(caller.of(spec.Basic.Ack)) == 3)
        assert caller.of(spec.Basic.Ack)[2].delivery_tag == 2

    @staticmethod
    def test_a_wait_queue_that_somebody_has_deleted_is_declared_again(
        broker: PlayedBroker, start: Start
    ) -> None:
        # Given a broker without the queue, until it is declared on another connection
        def answer(caller: Caller, _method: Method) -> None:
            if caller is broker.callers[1]:
                caller.give_back(0)
            caller.send(spec.Basic.Ack(1))

        broker.answers[spec.Basic.Publish] = answer
        running = start(retry_delays=(5,))
        running.process.errors = {"a": ValueError("surprise")}
        caller = broker.consuming()

        caller.deliver(b"a")

        wait_until(lambda: bool(caller.of(spec.Basic.Ack)))
        declared = [queue.queue for queue in broker.callers[2].of(spec.Queue.Declare)]
        assert "orders.retry.5s" in declared


class TestTrouble:
    """What a broker may do to a consumer."""

    @staticmethod
    def test_a_lost_connection_is_made_again(
        broker: PlayedBroker, start: Start, events: list[Any]
    ) -> None:
        running = start()
        wait_until(lambda: running.consumer.broker_problem() is None)
        broker.consuming(1).hang_up()

        broker.consuming(2).deliver(b"a")

        wait_until(lambda: running.process.calls == [["a"]])
        lost = "Lost RabbitMQ at 127.0.0.1: Transport indicated EOF"
        assert lines(events)[:4] == [
            "Connected to RabbitMQ at 127.0.0.1",
            "Listening on queue: orders",
            "Ready: waiting for messages",
            f"Error: {lost}; trying again until it works",
        ]
        assert running.consumer.broker_problem() is None

    @staticmethod
    def test_what_was_in_hand_when_the_connection_was_lost_is_not_acknowledged_on_the_next(
        broker: PlayedBroker, start: Start
    ) -> None:
        # Given a message in the middle of its handler
        running = start(batch=1)
        begun, release = Event(), Event()

        def wait(_texts: list[str]) -> None:
            begun.set()
            assert release.wait(SECONDS)

        running.process.during = wait
        first = broker.consuming(1)
        first.deliver(b"a", b"b")
        assert begun.wait(SECONDS)

        # When the connection is lost, and made again, and the handler ends
        first.hang_up()
        second = broker.consuming(2)
        second.deliver(b"c")
        release.set()

        # Then only the delivery of the second connection is acknowledged
        wait_until(lambda: bool(second.of(spec.Basic.Ack)))
        assert running.process.calls == [["a"], ["c"]]
        assert [1] == [ack.delivery_tag for ack in second.of(spec.Basic.Ack)]

    @staticmethod
    @pytest.mark.parametrize("at_once", [False, True])
    def test_a_consumer_that_the_broker_cancels_begins_anew(
        broker: PlayedBroker, start: Start, events: list[Any], *, at_once: bool
    ) -> None:
        def cancel(caller: Caller, method: Method) -> None:
            caller.answer_as_usual(method)
            if at_once and len(broker.callers) == 1:
                caller.send(spec.Basic.Cancel(method.consumer_tag))

        broker.answers[spec.Basic.Consume] = cancel
        start()
        first = broker.consuming(1)
        if not at_once:
            first.send(spec.Basic.Cancel(first.consumers[0]))

        broker.consuming(2)

        assert first.ended.wait(SECONDS)
        assert any("ended the delivery from queue 'orders'" in line for line in lines(events))

    @staticmethod
    def test_a_channel_that_the_broker_closes_is_a_lost_connection(
        broker: PlayedBroker, start: Start
    ) -> None:
        start()
        first = broker.consuming(1)
        first.send(spec.Channel.Close(406, "PRECONDITION_FAILED - delivery timed out", 0, 0))

        broker.consuming(2)

        assert first.ended.wait(SECONDS)

    @staticmethod
    @pytest.mark.parametrize("kind", [spec.Basic.Consume, spec.Queue.Bind])
    def test_what_is_not_permitted_is_said_once(
        broker: PlayedBroker, start: Start, events: list[Any], kind: type[Method]
    ) -> None:
        broker.close_channel(kind, 403, "ACCESS_REFUSED - read access refused")

        running = start()

        wait_until(lambda: len(broker.callers) > 3)
        problem = (
            "Access refused for user 'skillupworks' at RabbitMQ 127.0.0.1:"
            " ACCESS_REFUSED - read access refused (403)"
        )
        assert lines(events) == [f"Error: {problem}; trying again until it works"]
        assert running.consumer.broker_problem() == problem

    @staticmethod
    def test_a_queue_of_another_type_ends_the_service(broker: PlayedBroker, start: Start) -> None:
        broker.close_channel(spec.Queue.Declare, 406, "PRECONDITION_FAILED - inequivalent arg")

        running = start()
        running.join()

        assert isinstance(running.error, TopologyError)
        assert "queue 'orders-dlq' exists, but is not a durable quorum queue" in str(running.error)
        assert broker.caller.ended.wait(SECONDS)

    @staticmethod
    def test_hosts_that_are_all_away_are_said_once_whatever_their_order(
        broker: PlayedBroker, start: Start, events: list[Any]
    ) -> None:
        # nothing listens on the discard port
        hosts = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
        running = start(address=replace(broker.address, hosts=hosts, port=9))

        wait_until(lambda: _value(running.metrics.reconnects) > 10)

        assert len(events) == 1
        for host in hosts:
            assert f"RabbitMQ at {host}: Connection refused" in lines(events)[0]

    @staticmethod
    def test_the_next_host_is_tried_when_one_is_away(broker: PlayedBroker, start: Start) -> None:
        running = start(address=replace(broker.address, hosts=("127.0.0.2", "127.0.0.1")))

        broker.consuming()

        wait_until(lambda: running.consumer.broker_problem() is None)

    @staticmethod
    def test_a_broker_that_does_not_answer_is_not_asked_again_and_again(
        broker: PlayedBroker, start: Start
    ) -> None:
        def answer(caller: Caller, method: Method) -> None:
            if not method.passive:
                caller.answer_as_usual(method)

        broker.answers[spec.Queue.Declare] = answer
        running = start()
        caller = broker.consuming()
        wait_until(lambda: bool(caller.of(spec.Queue.Declare)[-1].passive))

        sleep(2.5)  # for what must not happen there is no event to wait for

        running.stop()
        assert sum(queue.passive for queue in caller.of(spec.Queue.Declare)) == 1


class TestStop:
    """How it ends."""

    @staticmethod
    def test_a_stop_finishes_what_has_come_and_asks_for_no_more(
        broker: PlayedBroker, start: Start
    ) -> None:
        # Given messages of which the first is in the middle of its handler
        running = start(batch=1)
        begun, release = Event(), Event()

        def wait(_texts: list[str]) -> None:
            begun.set()
            assert release.wait(SECONDS)

        running.process.during = wait
        caller = broker.consuming()
        caller.deliver(b"a", b"b", b"c")
        assert begun.wait(SECONDS)

        # When it is stopped
        running.consumer.stop()
        wait_until(lambda: bool(caller.of(spec.Basic.Cancel)))
        release.set()
        running.join()

        # Then all of them are done and acknowledged before the connection is closed
        assert running.process.calls == [["a"], ["b"], ["c"]]
        assert caller.acknowledged() == [1, 2, 3]
        assert caller.ended.wait(SECONDS)
        kinds = [type(method) for method in caller.heard]
        assert kinds.index(spec.Channel.Close) > kinds.index(spec.Basic.Ack)
        assert kinds[-1] is spec.Connection.Close

    @staticmethod
    def test_a_second_stop_gives_back(broker: PlayedBroker, start: Start) -> None:
        # Given a handler that does not end
        running = start(batch=1, announce=False)
        begun, release = Event(), Event()

        def wait(_texts: list[str]) -> None:
            begun.set()
            assert release.wait(SECONDS)

        running.process.during = wait
        caller = broker.consuming()
        caller.deliver(b"a", b"b")
        assert begun.wait(SECONDS)
        running.consumer.stop()
        wait_until(lambda: bool(caller.of(spec.Basic.Cancel)))
        assert running.running

        # When it is stopped again
        began = monotonic()
        running.stop()

        # Then it ends soon, and nothing is acknowledged: the broker has them again
        assert monotonic() - began < consumer_module.DRAIN_SECONDS / 2
        release.set()
        assert caller.ended.wait(SECONDS)
        assert caller.of(spec.Basic.Ack) == []
        assert running.process.calls == [["a"]]

    @staticmethod
    def test_a_stop_waits_for_a_handler_only_so_long(
        broker: PlayedBroker, start: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consumer_module, "DRAIN_SECONDS", 0.1)
        running = start(announce=False)
        release = Event()
        running.process.during = lambda _texts: _wait(release)
        caller = broker.consuming()
        caller.deliver(b"a")
        wait_until(lambda: bool(running.process.calls))

        running.stop()

        assert caller.of(spec.Basic.Ack) == []
        release.set()

    @staticmethod
    def test_at_a_stop_nobody_waits_for_a_database_that_is_away(
        broker: PlayedBroker, start: Start
    ) -> None:
        running = start()
        running.process.error = StoreUnavailableError("MySQL: away")
        running.process.problem = "MySQL: away"
        caller = broker.consuming()
        caller.deliver(b"a", b"b")
        wait_until(lambda: running.consumer.trouble() is not None)
        began = monotonic()

        running.stop()

        assert monotonic() - began < consumer_module.DRAIN_SECONDS / 2
        assert caller.of(spec.Basic.Ack) == []

    @staticmethod
    @pytest.mark.parametrize(
        "silent", [frame.ProtocolHeader, spec.Queue.Declare, spec.Basic.Consume]
    )
    def test_a_stop_is_heard_while_the_broker_is_waited_for(
        broker: PlayedBroker,
        start: Start,
        events: list[Any],
        monkeypatch: pytest.MonkeyPatch,
        silent: type[Method],
    ) -> None:
        monkeypatch.setattr(link_module, "STEP_SECONDS", 0.05)
        broker.ignore(silent)
        running = start()
        wait_until(lambda: broker.heard(silent) == 1)
        began = monotonic()

        running.stop()

        assert monotonic() - began < link_module.CALL_SECONDS / 2
        assert running.error is None
        assert events == []
        assert broker.caller.ended.wait(SECONDS)

    @staticmethod
    def test_a_stop_is_heard_between_two_attempts_to_connect(
        start: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Backoff, "next_pause", lambda _self: 60)
        running = start(address=PlayedBroker.at(9))  # nothing listens on the discard port
        wait_until(lambda: running.consumer.broker_problem() != "connecting")

        running.stop()


class TestBrokenWorkers:
    """A worker that breaks ends the service, which systemd starts again."""

    @staticmethod
    def test_what_broke_a_worker_is_raised(broker: PlayedBroker, start: Start) -> None:
        running = start()
        running.process.error = SystemExit("broken")
        caller = broker.consuming()

        caller.deliver(b"a")
        running.join()

        assert isinstance(running.error, SystemExit)
        assert caller.of(spec.Basic.Ack) == []

    @staticmethod
    def test_the_other_workers_finish_what_they_have(broker: PlayedBroker, start: Start) -> None:
        # Given two workers, of which one is in the middle of a message
        running = start(batch=1, concurrency=2)
        release = Event()
        running.process.during = lambda texts: _wait(release) if texts == ["a"] else None
        running.process.errors = {"b": SystemExit("broken")}
        caller = broker.consuming()

        # When the other one breaks
        caller.deliver(b"a", b"b")
        wait_until(lambda: bool(caller.of(spec.Basic.Cancel)))
        release.set()
        running.join()

        # Then the first one's message is acknowledged
        assert isinstance(running.error, SystemExit)
        assert [1] == [ack.delivery_tag for ack in caller.of(spec.Basic.Ack)]

    @staticmethod
    def test_a_worker_that_waits_for_the_database_does_not_hide_one_that_is_broken(
        broker: PlayedBroker, start: Start
    ) -> None:
        running = start(batch=1, concurrency=2)
        running.process.problem = "MySQL: away"
        away, broken = StoreUnavailableError("MySQL: away"), SystemExit("broken")
        running.process.errors = {"a": away, "b": broken}
        caller = broker.consuming()
        caller.deliver(b"a")
        wait_until(lambda: running.consumer.trouble() is not None)

        caller.deliver(b"b")
        running.join()

        assert running.error is broken


class TestSystemd:
    """What systemd is told."""

    @pytest.fixture
    def manager(self, tmp_path: Path) -> Iterator[socket.socket]:
        """Listen like systemd."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
            server.bind(str(tmp_path / "notify"))
            server.settimeout(SECONDS)
            yield server

    @pytest.fixture
    def notifier(self, manager: socket.socket) -> Notifier:
        """Return what speaks to it."""
        return Notifier({"NOTIFY_SOCKET": manager.getsockname()})

    @staticmethod
    def test_the_status_line_says_what_it_does(
        broker: PlayedBroker, start: Start, manager: socket.socket, notifier: Notifier
    ) -> None:
        start(notifier)
        broker.consuming().deliver(b"a", b"b")

        heard = [""]
        while "2 processed" not in heard[-1]:
            heard.append(manager.recv(4096).decode())

        assert heard[1] == "STATUS=connecting to 127.0.0.1"
        assert heard[-1] == "STATUS=connected to 127.0.0.1, 0 in flight, 2 processed"

    @staticmethod
    def test_the_watchdog_is_fed_while_the_broker_is_slow(
        broker: PlayedBroker,
        start: Start,
        manager: socket.socket,
        notifier: Notifier,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        # Given a broker that does not answer, and a watchdog that is fed ten times a second
        monkeypatch.setenv("WATCHDOG_USEC", "400000")
        monkeypatch.setattr(link_module, "STEP_SECONDS", 0.05)
        broker.ignore(spec.Queue.Declare)

        running = start(notifier)

        fed = 0
        while fed < 5:
            fed += manager.recv(4096) == b"WATCHDOG=1"
        assert broker.heard(spec.Queue.Declare) == 1
        running.stop()

    @staticmethod
    def test_a_handler_that_hangs_starves_the_watchdog_and_is_named_once(
        broker: PlayedBroker,
        start: Start,
        events: list[Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("WATCHDOG_USEC", "4")
        monkeypatch.setattr(crew_module, "HANDLER_LIMIT_SECONDS", 0.05)
        running = start(announce=False)
        release = Event()
        running.process.during = lambda _texts: _wait(release)

        broker.consuming().deliver(b"a")
        wait_until(lambda: any("watchdog" in line for line in lines(events)))
        sleep(2.2)  # two more turns

        said = [line for line in lines(events) if "watchdog" in line]
        assert said == ["The watchdog is no longer fed: the handler has not ended for 0 s"]
        release.set()


def _wait(release: Event) -> None:
    assert release.wait(SECONDS)


def _value(counter: Any) -> float:
    ((sample, *_),) = (family.samples for family in counter.collect())
    return float(sample.value)
