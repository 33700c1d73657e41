"""The exchanges and queues a consumer relies on: declared, and so verified, on each connection.

A queue needs limits to be safe: from RabbitMQ 4.0 on, what is delivered more than 20 times is
deleted unless the queue says where it goes instead. Policies of the broker are the better place,
since they can be changed while the queue holds messages; but a policy belongs to one queue, by its
name, and a new consumer has none. So limits are arguments, unless the topology says that there are
policies. A queue keeps the arguments it was made with, and the broker refuses to declare it with
others: one that an earlier release made without them is taken as it is, with a warning.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import structlog
from pika import exceptions as amqp

from skillupworks.errors import TopologyError
from skillupworks.messaging.link import Link

__all__ = [
    "DEFAULT_RETRY_DELAYS",
    "QueueTopology",
    "declare",
    "delays_retries",
    "native_delays",
    "wait_queue",
    "wait_queue_arguments",
]

log = structlog.get_logger()

PRECONDITION_FAILED = 406

QUORUM: Mapping[str, object] = {"x-queue-type": "quorum"}
A_QUORUM_QUEUE = "a durable quorum queue"
# Queues have these for good: with another number, a consumer no longer starts where its queue is.
DELIVERY_LIMIT = 20
MAX_LENGTH = 1_000_000
# looking at parked messages must never drop them
LOOKS = 1_000_000

# seconds before the second, third, … attempt of a message that failed
DEFAULT_RETRY_DELAYS = (5, 30, 120, 600)

# below the queue's delivery limit of 20, at which the broker parks a message in its own words
MOST_NATIVE_DELAYS = 19


@dataclass(frozen=True)
class QueueTopology:
    """A quorum queue, the direct exchange that feeds it, and where its failures are parked.

    `has_policies` says that the broker's operator gives both queues their limits as policies, and,
    where the broker can, the delays of retries: as playbooks/group_vars/all/rabbitmq.yml does.
    """

    queue: str
    exchange: str
    binding_keys: tuple[str, ...]
    dead_letter_exchange: str
    dead_letter_queue: str
    has_policies: bool = False


def wait_queue(queue: str, delay: int) -> str:
    """Return the name of the queue in which messages of `queue` wait for `delay` seconds."""
    return f"{queue}.retry.{delay}s"


def wait_queue_arguments(queue: str, delay: int) -> dict[str, object]:
    """Return the arguments of a wait queue: after its delay, a message is put back into `queue`.

    One delay a queue: messages expire at the head only, so a long delay would hold up a short
    one. Moving them is at-least-once, for which reject-publish is required.
    Source: https://www.rabbitmq.com/docs/quorum-queues#dead-lettering
    """
    return {
        **QUORUM,
        "x-message-ttl": delay * 1000,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": queue,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def native_delays(delays: tuple[int, ...]) -> tuple[int, ...]:
    """Return the seconds by which a broker that delays retries itself does so, for these `delays`.

    It makes the n-th delay n times the first one, up to the last, as its policy says. There are as
    many as it takes to try for as long in all, but no more than 19.
    Source: https://www.rabbitmq.com/docs/quorum-queues#delayed-retry, and RabbitMQ 4.3.6 at work.
    """
    native: list[int] = []
    while sum(native) < sum(delays) and len(native) < MOST_NATIVE_DELAYS:
        native.append(min(delays[0] * (len(native) + 1), delays[-1]))
    return tuple(native)


def delays_retries(link: Link, topology: QueueTopology) -> bool:
    """Return whether the queue itself delays what is rejected, so that there are no wait queues.

    The broker does not tell a consumer its queue's policy: without one that says so, it would
    deliver what is rejected again at once.
    """
    return topology.has_policies and link.native_retry


def declare(link: Link, topology: QueueTopology, retry_delays: tuple[int, ...]) -> None:
    """Create what is missing and verify what is there; declaring again changes nothing.

    There are no wait queues where `delays_retries`. The link has another channel afterwards when
    the broker has closed the first one over a queue without limits: declare before it is used.
    Raises TopologyError when an exchange or queue exists with another type or other arguments; the
    channel is closed then. Other errors are pika's.
    """

    def exchange(name: str, kind: str) -> None:
        with _verified(f"exchange '{name}'", f"a durable {kind} exchange"):
            ask = partial(link.channel.exchange_declare, name, exchange_type=kind, durable=True)
            link.call(ask)

    def queue(name: str, arguments: Mapping[str, object], expected: str = A_QUORUM_QUEUE) -> None:
        with _verified(f"queue '{name}'", expected):
            ask = partial(link.channel.queue_declare, name, durable=True)
            link.call(ask, arguments=dict(arguments))

    def limited_queue(name: str, arguments: Mapping[str, object]) -> None:
        try:
            queue(name, arguments)
        except TopologyError:
            link.reopen()
            queue(name, QUORUM)
            log.warning(
                f"Queue '{name}' was made without limits, and may lose messages: give it a policy"
                " and set has_policies, or delete it once it is empty"
            )

    exchange(topology.exchange, "direct")
    exchange(topology.dead_letter_exchange, "direct")
    if topology.has_policies:
        queue(topology.dead_letter_queue, QUORUM)
        queue(topology.queue, QUORUM)
    else:
        limited_queue(topology.dead_letter_queue, _parking_limits())
        limited_queue(topology.queue, _limits(topology))
    for delay in () if delays_retries(link, topology) else retry_delays:
        arguments = wait_queue_arguments(topology.queue, delay)
        queue(wait_queue(topology.queue, delay), arguments, f"a wait queue of {delay} s")

    link.call(
        partial(
            link.channel.queue_bind,
            topology.dead_letter_queue,
            topology.dead_letter_exchange,
            routing_key=topology.queue,
        )
    )
    for key in topology.binding_keys:
        bind = partial(link.channel.queue_bind, topology.queue, topology.exchange, routing_key=key)
        link.call(bind)


def _limits(topology: QueueTopology) -> dict[str, object]:
    """Return the arguments of a queue without a policy: what ends its consumers is parked.

    At-least-once dead-lettering needs reject-publish, or it is quietly at-most-once.
    Source: https://www.rabbitmq.com/docs/quorum-queues#dead-lettering
    """
    return {
        **QUORUM,
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": topology.dead_letter_exchange,
        "x-dead-letter-routing-key": topology.queue,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-max-length": MAX_LENGTH,
    }


def _parking_limits() -> dict[str, object]:
    """Return the arguments of a dead-letter queue without a policy: it gives up no message."""
    return {
        **QUORUM,
        "x-delivery-limit": LOOKS,
        "x-overflow": "reject-publish",
        "x-max-length": MAX_LENGTH,
    }


@contextmanager
def _verified(name: str, expected: str) -> Iterator[None]:
    """Turn the broker's 406 into an error that names the thing and what it should be."""
    try:
        yield
    except amqp.ChannelClosedByBroker as error:
        if error.reply_code != PRECONDITION_FAILED:
            raise
        raise TopologyError(f"{name} exists, but is not {expected}: {error.reply_text}") from error
