"""The exchanges and queues a consumer relies on: declared, and so verified, on each connection.

What bounds a queue and parks what ends its consumer (delivery limit, length, dead-lettering) is a
policy of the broker where there is one: a policy can be changed in operation, arguments cannot be
once a queue exists. Without it the queue would have RabbitMQ's default, a delivery limit that
deletes the message. So a queue of which nobody says that it has policies gets arguments.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from pika import exceptions as amqp

from skillupworks.errors import TopologyError
from skillupworks.messaging.link import Link

__all__ = [
    "DEFAULT_RETRY_DELAYS",
    "QueueTopology",
    "declare",
    "native_delays",
    "wait_queue",
    "wait_queue_arguments",
]

PRECONDITION_FAILED = 406

# seconds before the second, third, … attempt of a message that failed
DEFAULT_RETRY_DELAYS = (5, 30, 120, 600)

# below the queue's delivery limit of 20, at which the broker parks a message in its own words
MOST_NATIVE_DELAYS = 19


# as the policies of the platform's own queues, see playbooks/group_vars/all/rabbitmq.yml
DELIVERY_LIMIT = 20
MAX_LENGTH = 1_000_000
# looking at parked messages must never drop them
LOOKS_LIMIT = 1_000_000


@dataclass(frozen=True)
class QueueTopology:
    """A quorum queue, the direct exchange that feeds it, and where its failures are parked.

    `has_policies` says that policies of the broker limit and dead-letter both queues, and, on a
    broker that delays retries itself, delay them. Otherwise the queues' arguments limit them, and
    retries wait in wait queues.
    """

    queue: str
    exchange: str
    binding_keys: tuple[str, ...]
    dead_letter_exchange: str
    dead_letter_queue: str
    has_policies: bool = False

    def retries_natively(self, link: Link) -> bool:
        """Whether the queue delays what is rejected, on the broker of this connection."""
        return self.has_policies and link.delays_retries

    def queues(self) -> dict[str, dict[str, object]]:
        """Return the arguments of both queues by name, the dead letters' first."""
        dead: dict[str, object] = {"x-queue-type": "quorum"}
        own: dict[str, object] = {"x-queue-type": "quorum"}
        if not self.has_policies:
            bounds = {"x-max-length": MAX_LENGTH, "x-overflow": "reject-publish"}
            dead |= bounds | {"x-delivery-limit": LOOKS_LIMIT}
            own |= bounds | {
                "x-delivery-limit": DELIVERY_LIMIT,
                "x-dead-letter-exchange": self.dead_letter_exchange,
                "x-dead-letter-routing-key": self.queue,
                "x-dead-letter-strategy": "at-least-once",
            }
        return {self.dead_letter_queue: dead, self.queue: own}


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
        "x-queue-type": "quorum",
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


def declare(link: Link, topology: QueueTopology, retry_delays: tuple[int, ...]) -> None:
    """Create what is missing and verify what is there; declaring again changes nothing.

    There are no wait queues where the queue delays what is rejected by itself. Raises
    TopologyError when an exchange or queue exists with another type or other arguments. The channel
    is closed by the broker then. Other errors are pika's.
    """
    channel = link.channel

    def exchange(name: str, kind: str) -> None:
        with _verified(f"exchange '{name}'", f"a durable {kind} exchange"):
            link.call(partial(channel.exchange_declare, name, exchange_type=kind, durable=True))

    def queue(name: str, arguments: dict[str, object], expected: str) -> None:
        with _verified(f"queue '{name}'", expected):
            link.call(partial(channel.queue_declare, name, durable=True, arguments=arguments))

    exchange(topology.exchange, "direct")
    exchange(topology.dead_letter_exchange, "direct")
    for name, arguments in topology.queues().items():
        queue(name, arguments, f"a durable quorum queue with the arguments {_shown(arguments)}")
    for delay in () if topology.retries_natively(link) else retry_delays:
        arguments = wait_queue_arguments(topology.queue, delay)
        queue(wait_queue(topology.queue, delay), arguments, f"a wait queue of {delay} s")

    link.call(
        partial(
            channel.queue_bind,
            topology.dead_letter_queue,
            topology.dead_letter_exchange,
            routing_key=topology.queue,
        )
    )
    for key in topology.binding_keys:
        link.call(partial(channel.queue_bind, topology.queue, topology.exchange, routing_key=key))


def _shown(arguments: dict[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in arguments.items())


@contextmanager
def _verified(name: str, expected: str) -> Iterator[None]:
    """Turn the broker's 406 into an error that names the thing and what it should be."""
    try:
        yield
    except amqp.ChannelClosedByBroker as error:
        if error.reply_code != PRECONDITION_FAILED:
            raise
        raise TopologyError(f"{name} exists, but is not {expected}: {error.reply_text}") from error
