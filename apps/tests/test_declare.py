"""What a consumer declares: queues that are safe by themselves, and those of others as they are."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from pika import spec
from pika.exceptions import ChannelClosedByBroker

from skillupworks.errors import TopologyError
from skillupworks.messaging.link import Link
from skillupworks.messaging.message import Outgoing
from skillupworks.messaging.publisher import Publisher
from skillupworks.messaging.topology import QueueTopology, declare

from .messaging_stubs import TOPOLOGY
from .played_broker import Caller, Method, PlayedBroker

BARE = {"x-queue-type": "quorum"}
REFUSED = "PRECONDITION_FAILED - inequivalent arg 'x-delivery-limit'"


def declared(broker: PlayedBroker) -> list[tuple[str, dict[str, Any]]]:
    """Return the queues that were declared, with their arguments, in order."""
    return [
        (queue.queue, queue.arguments)
        for caller in broker.callers
        for queue in caller.of(spec.Queue.Declare)
    ]


@contextmanager
def connected(broker: PlayedBroker, topology: QueueTopology = TOPOLOGY) -> Iterator[Link]:
    """Connect and declare."""
    with closing(Link(broker.address, "127.0.0.1")) as link:
        declare(link, topology, ())
        yield link


def holds_queues_without_limits(broker: PlayedBroker) -> None:
    """Let the broker refuse queues with limits, as it does when they are there without."""

    def refuse(caller: Caller, method: Method) -> None:
        if "x-delivery-limit" in method.arguments:
            caller.send(spec.Channel.Close(406, REFUSED, 0, 0))
        else:
            caller.answer_as_usual(method)

    broker.answers[spec.Queue.Declare] = refuse


def test_a_queue_parks_what_ends_its_consumers_and_its_dead_letters_are_never_dropped(
    broker: PlayedBroker,
) -> None:
    with connected(broker):
        pass

    assert declared(broker) == [
        (
            "orders-dlq",
            BARE
            | {"x-delivery-limit": 1_000_000, "x-overflow": "reject-publish"}
            | {"x-max-length": 1_000_000},
        ),
        (
            "orders",
            BARE
            | {
                "x-delivery-limit": 20,
                "x-dead-letter-exchange": "shop.dlx",
                "x-dead-letter-routing-key": "orders",
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
                "x-max-length": 1_000_000,
            },
        ),
    ]


def test_what_the_operators_policies_say_is_no_argument(broker: PlayedBroker) -> None:
    with connected(broker, replace(TOPOLOGY, has_policies=True)):
        pass

    assert declared(broker) == [("orders-dlq", BARE), ("orders", BARE)]


def test_queues_of_an_earlier_release_are_taken_as_they_are_with_a_warning(
    broker: PlayedBroker, events: list[Any]
) -> None:
    holds_queues_without_limits(broker)

    with connected(broker) as link:
        # the connection is as good as any
        link.call(partial(link.channel.queue_bind, "orders", "shop", routing_key="more"))
        assert link.is_open

    assert [arguments for _, arguments in declared(broker)][1::2] == [BARE, BARE]
    assert [(event["log_level"], event["event"].split(",")[0]) for event in events] == [
        ("warning", "Queue 'orders-dlq' was made without limits"),
        ("warning", "Queue 'orders' was made without limits"),
    ]


@pytest.mark.usefixtures("events")
def test_what_is_published_after_that_is_confirmed(broker: PlayedBroker) -> None:
    # Given a broker that has closed the first channel, with all that was asked for on it
    holds_queues_without_limits(broker)
    prepare = partial(declare, topology=TOPOLOGY, retry_delays=())

    with Publisher(broker.address, prepare=prepare) as publisher:
        publisher.publish(Outgoing("shop", "orders", b"a", "message-1", datetime.now(UTC)))

    heard = [type(method) for method in broker.caller.heard]
    last_channel = len(heard) - heard[::-1].index(spec.Channel.Open)
    assert spec.Confirm.Select in heard[last_channel:]


@pytest.mark.parametrize("has_policies", [True, False])
def test_a_queue_of_another_type_is_refused(broker: PlayedBroker, *, has_policies: bool) -> None:
    broker.close_channel(spec.Queue.Declare, 406, "PRECONDITION_FAILED - inequivalent arg")

    expected = "'orders-dlq' exists, but is not a durable quorum queue"
    topology = replace(TOPOLOGY, has_policies=has_policies)
    with pytest.raises(TopologyError, match=expected), connected(broker, topology):
        pass


@pytest.mark.parametrize("code", [403, 404])
def test_what_is_refused_for_another_reason_is_not_asked_for_without_limits(
    broker: PlayedBroker, code: int
) -> None:
    broker.close_channel(spec.Queue.Declare, code, "ACCESS_REFUSED")

    with pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"), connected(broker):
        pass

    assert broker.heard(spec.Queue.Declare) == 1
