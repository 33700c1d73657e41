"""A publisher knows of each message what has become of it, or says that nobody knows."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from pika import spec

from skillupworks.errors import (
    BrokerRefusedError,
    BrokerUnavailableError,
    MessageTooLargeError,
    NotAcceptedError,
    TopologyError,
    UnconfirmedError,
    UnroutableError,
)
from skillupworks.messaging import link as link_module
from skillupworks.messaging.link import Link
from skillupworks.messaging.message import Outgoing
from skillupworks.messaging.publisher import Publisher, PublishError

from .played_broker import Caller, Method, PlayedBroker
from .waiting import SECONDS, wait_until


@pytest.fixture
def publisher(broker: PlayedBroker) -> Iterator[Publisher]:
    """Return a publisher that takes up to 1,000 bytes."""
    with Publisher(broker.address, max_bytes=1000) as publisher:
        yield publisher


def message(message_id: str | None = "message-1", **changes: object) -> Outgoing:
    fields = {"exchange": "shop", "routing_key": "orders", "body": b"{}"} | changes
    return Outgoing(message_id=message_id, timestamp=datetime.now(UTC), **fields)  # type: ignore[arg-type]


def messages(count: int) -> list[Outgoing]:
    return [message(f"message-{number}") for number in range(count)]


def kinds(outcomes: list[PublishError | None]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


def test_a_message_is_sent_persistent_and_mandatory_with_all_that_belongs_to_it(
    broker: PlayedBroker, publisher: Publisher
) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    moment = datetime(2026, 11, 22, 12, tzinfo=UTC)

    publisher.publish(
        Outgoing(
            "shop",
            "orders",
            b'{"orderId": "ORD-1"}',
            "message-1",
            moment,
            type="order",
            headers={"traceparent": traceparent},
        )
    )

    ((publish, properties, body),) = broker.caller.published
    assert publish.mandatory is True
    assert (publish.exchange, publish.routing_key) == ("shop", "orders")
    assert body == b'{"orderId": "ORD-1"}'
    assert (properties.message_id, properties.type) == ("message-1", "order")
    assert properties.delivery_mode == 2
    assert properties.content_type == "application/json"
    assert properties.timestamp == int(moment.timestamp())
    assert properties.headers == {"traceparent": traceparent}


def test_many_messages_are_sent_before_the_first_confirm_is_waited_for(
    broker: PlayedBroker, publisher: Publisher
) -> None:
    # Given a broker that answers the hundredth message, for all of them
    def answer(caller: Caller, _method: Method) -> None:
        if len(caller.published) == 100:
            caller.send(spec.Basic.Ack(100, multiple=True))

    broker.answers[spec.Basic.Publish] = answer

    assert publisher.publish_many(messages(100)) == [None] * 100


def test_nothing_to_publish_is_published_at_once(publisher: Publisher) -> None:
    assert publisher.publish_many([]) == []


def test_each_message_has_the_outcome_that_the_broker_gives_it(
    broker: PlayedBroker, publisher: Publisher
) -> None:
    # Given a broker that refuses the second message and gives the third back
    def answer(caller: Caller, _method: Method) -> None:
        number = len(caller.published)
        if number == 2:
            caller.send(spec.Basic.Nack(number))
            return
        if number == 3:
            caller.give_back(2)
        caller.send(spec.Basic.Ack(number))

    broker.answers[spec.Basic.Publish] = answer

    outcomes = publisher.publish_many(messages(4))

    assert kinds(outcomes) == [type(None), NotAcceptedError, UnroutableError, type(None)]
    assert len(broker.callers) == 1  # and the connection is as good as before
    assert publisher.publish_many(messages(1)) == [None]


def test_a_message_that_is_too_large_is_not_sent(
    broker: PlayedBroker, publisher: Publisher
) -> None:
    outcomes = publisher.publish_many([message("a"), message("b", body=b"x" * 1001), message("c")])

    assert kinds(outcomes) == [type(None), MessageTooLargeError, type(None)]
    assert str(outcomes[1]) == "message b has 1,001 bytes, and the broker takes 1,000"
    assert ["a", "c"] == [properties.message_id for _, properties, _ in broker.caller.published]


@pytest.mark.parametrize(
    "changes",
    [
        {"routing_key": "k" * 256},
        {"headers": {"object": object()}},
        {"headers": {"number": 2**64}},
        {"headers": {"text": "\ud800"}},
    ],
)
def test_a_message_that_cannot_be_written_is_refused_and_those_after_it_are_published(
    broker: PlayedBroker, publisher: Publisher, changes: dict[str, object]
) -> None:
    outcomes = publisher.publish_many([message("a"), message("b", **changes), message("c")])

    assert kinds(outcomes) == [type(None), MessageTooLargeError, type(None)]
    assert "message b cannot be written" in str(outcomes[1])
    assert ["a", "c"] == [properties.message_id for _, properties, _ in broker.caller.published]


def test_what_is_not_confirmed_in_time_is_unconfirmed(
    broker: PlayedBroker, publisher: Publisher
) -> None:
    # Given a broker that confirms the first of three messages only
    def answer(caller: Caller, _method: Method) -> None:
        if len(caller.published) == 1:
            caller.send(spec.Basic.Ack(1))

    broker.answers[spec.Basic.Publish] = answer

    outcomes = publisher.publish_many(messages(3), timeout=0.1)

    assert kinds(outcomes) == [type(None), UnconfirmedError, UnconfirmedError]
    assert str(outcomes[1]) == "RabbitMQ at 127.0.0.1 did not confirm within 0 s"


def test_a_confirm_that_comes_too_late_is_not_taken_for_another_messages(
    broker: PlayedBroker, publisher: Publisher
) -> None:
    # Given a message whose confirm was not waited for
    broker.ignore(spec.Basic.Publish)
    with pytest.raises(UnconfirmedError):
        publisher.publish(message("a"), timeout=0.05)

    # When another one is published, which the broker refuses, and the first is confirmed then
    def answer(caller: Caller, _method: Method) -> None:
        broker.callers[0].send(spec.Basic.Ack(1))
        caller.send(spec.Basic.Nack(1))

    broker.answers[spec.Basic.Publish] = answer

    # Then it is refused, on a connection of its own
    with pytest.raises(NotAcceptedError):
        publisher.publish(message("b"))
    assert len(broker.callers) == 2


def test_messages_on_their_way_when_the_connection_is_lost_are_unconfirmed(
    broker: PlayedBroker, publisher: Publisher
) -> None:
    def answer(caller: Caller, _method: Method) -> None:
        caller.send(spec.Basic.Ack(1))
        caller.hang_up()

    broker.answers[spec.Basic.Publish] = answer

    outcomes = publisher.publish_many(messages(3))

    assert kinds(outcomes[1:]) == [UnconfirmedError, UnconfirmedError]
    assert str(outcomes[2]).startswith("Lost RabbitMQ at 127.0.0.1 before it confirmed: ")


class TestOverlap:
    """A batch can be sent before the confirms of the one before it have come."""

    @staticmethod
    def test_each_batch_has_its_own_outcomes(broker: PlayedBroker, publisher: Publisher) -> None:
        # Given a broker that confirms what it has at every third message, and refuses the fourth
        def answer(caller: Caller, _method: Method) -> None:
            number = len(caller.published)
            if number == 4:
                caller.send(spec.Basic.Nack(4))
            elif number in {3, 6}:
                caller.send(spec.Basic.Ack(number, multiple=True))

        broker.answers[spec.Basic.Publish] = answer

        first = publisher.send(messages(2))
        second = publisher.send(messages(4))

        assert kinds(publisher.wait(first)) == [type(None)] * 2
        assert kinds(publisher.wait(second)) == [type(None), NotAcceptedError, *[type(None)] * 2]

    @staticmethod
    def test_both_are_unconfirmed_when_the_connection_is_lost(
        broker: PlayedBroker, publisher: Publisher
    ) -> None:
        def answer(caller: Caller, _method: Method) -> None:
            if len(caller.published) == 4:
                caller.send(spec.Basic.Ack(1))
                caller.hang_up()

        broker.answers[spec.Basic.Publish] = answer
        first, second = publisher.send(messages(2)), publisher.send(messages(2))

        assert kinds(publisher.wait(first))[1:] == [UnconfirmedError]
        assert kinds(publisher.wait(second)) == [UnconfirmedError] * 2
        assert not publisher.connected

    @staticmethod
    def test_both_are_unconfirmed_when_time_runs_out_and_late_confirms_are_nobodys(
        broker: PlayedBroker, publisher: Publisher
    ) -> None:
        broker.ignore(spec.Basic.Publish)
        first, second = publisher.send(messages(1)), publisher.send(messages(1))

        assert kinds(publisher.wait(first, timeout=0.05)) == [UnconfirmedError]
        assert kinds(publisher.wait(second)) == [UnconfirmedError]
        broker.answers.clear()
        assert publisher.publish_many(messages(1)) == [None]
        assert len(broker.callers) == 2


def test_a_channel_that_the_broker_closes_is_made_again(
    broker: PlayedBroker, publisher: Publisher
) -> None:
    broker.close_channel(spec.Basic.Publish, 404, "NOT_FOUND - no exchange 'shop'")
    with pytest.raises(UnconfirmedError, match="no exchange 'shop'"):
        publisher.publish(message())
    assert not publisher.connected
    broker.answers.clear()

    publisher.publish(message())

    assert broker.callers[0].ended.wait(SECONDS)


def test_a_broker_that_blocks_publishers_is_named_as_the_reason(
    broker: PlayedBroker, publisher: Publisher
) -> None:
    def block(caller: Caller, _method: Method) -> None:
        caller.send(spec.Connection.Blocked("low on memory"), channel=0)

    broker.answers[spec.Basic.Publish] = block

    with pytest.raises(UnconfirmedError, match=r"has blocked publishers \(memory or disk alarm\)"):
        publisher.publish(message(), timeout=0.1)


def test_nothing_was_sent_when_there_is_no_connection() -> None:
    publisher = Publisher(PlayedBroker.at(9))  # nothing listens on the discard port

    with pytest.raises(BrokerUnavailableError) as caught:
        publisher.publish_many(messages(2))

    assert not isinstance(caught.value, UnconfirmedError)
    assert not publisher.connected


def test_a_lost_connection_is_noticed_while_nothing_is_published(
    broker: PlayedBroker, publisher: Publisher
) -> None:
    publisher.serve()  # there is none yet, which is no problem
    publisher.connect()
    assert publisher.connected
    publisher.serve()
    broker.caller.hang_up()
    assert broker.caller.ended.wait(SECONDS)

    def lost() -> bool:
        try:
            publisher.serve()
        except BrokerUnavailableError as error:
            return str(error).startswith("Lost RabbitMQ at 127.0.0.1: ")
        return False

    wait_until(lost)
    publisher.publish(message())
    assert len(broker.callers) == 2


class TestPreparation:
    """What is to be there before the first message is made on each connection."""

    @staticmethod
    def test_it_is_done_on_each_connection(broker: PlayedBroker) -> None:
        prepared: list[Link] = []
        with Publisher(broker.address, prepare=prepared.append) as publisher:
            publisher.publish(message("a"))
            publisher.publish(message("b"))
            publisher.close()
            publisher.publish(message("c"))

        assert len(prepared) == 2

    @staticmethod
    @pytest.mark.parametrize(
        ("code", "kind"), [(403, BrokerRefusedError), (404, BrokerUnavailableError)]
    )
    def test_what_the_broker_says_against_it_means_that_nothing_was_sent(
        broker: PlayedBroker, code: int, kind: type[Exception]
    ) -> None:
        broker.close_channel(spec.Queue.Bind, code, "no")

        def prepare(link: Link) -> None:
            link.call(lambda callback: link.channel.queue_bind("q", "x", callback=callback))

        with (
            Publisher(broker.address, prepare=prepare) as publisher,
            pytest.raises(kind, match=rf"no \({code}\)"),
        ):
            publisher.publish(message())
        assert broker.caller.published == []
        assert broker.caller.ended.wait(SECONDS)

    @staticmethod
    def test_an_error_in_it_leaves_no_connection_open(
        broker: PlayedBroker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(link_module, "CLOSE_SECONDS", 0.1)

        def prepare(_link: Link) -> None:
            raise TopologyError("queue 'orders' exists, but is not a durable quorum queue")

        with (
            Publisher(broker.address, prepare=prepare) as publisher,
            pytest.raises(TopologyError),
        ):
            publisher.connect()
        assert broker.caller.ended.wait(SECONDS)
