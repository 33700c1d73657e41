"""The exchanges and queues a consumer relies on: declared, and so verified, on each connection.

Everything that may change in operation (delivery limit, length, dead-lettering) is a policy of
the broker and not an argument here: arguments cannot be changed once a queue exists.
"""

from dataclasses import dataclass

from pika import exceptions as amqp
from pika.adapters.blocking_connection import BlockingChannel

from skillupworks.errors import TopologyError

__all__ = ["QueueTopology", "declare"]

PRECONDITION_FAILED = 406


@dataclass(frozen=True)
class QueueTopology:
    """A quorum queue, the topic exchange that feeds it, and where its failures are parked."""

    queue: str
    exchange: str
    binding_keys: tuple[str, ...]
    dead_letter_exchange: str
    dead_letter_queue: str


def declare(channel: BlockingChannel, topology: QueueTopology) -> None:
    """Create what is missing and verify what is there; declaring again changes nothing.

    Raises TopologyError when an exchange or queue exists with another type. The channel is
    closed by the broker then. Other errors are pika's.
    """
    with _verified(f"exchange '{topology.exchange}'", "a durable topic exchange"):
        channel.exchange_declare(topology.exchange, exchange_type="topic", durable=True)
    with _verified(f"exchange '{topology.dead_letter_exchange}'", "a durable direct exchange"):
        channel.exchange_declare(
            topology.dead_letter_exchange, exchange_type="direct", durable=True
        )
    for queue in (topology.dead_letter_queue, topology.queue):
        with _verified(f"queue '{queue}'", "a durable quorum queue"):
            channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(
        topology.dead_letter_queue, topology.dead_letter_exchange, routing_key=topology.queue
    )
    for key in topology.binding_keys:
        channel.queue_bind(topology.queue, topology.exchange, routing_key=key)


class _verified:  # noqa: N801 - used like a function
    """Turns the broker's 406 into an error that names the thing and what it should be."""

    def __init__(self, name: str, expected: str) -> None:
        self._name = name
        self._expected = expected

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, amqp.ChannelClosedByBroker) and (
            error.reply_code == PRECONDITION_FAILED
        ):
            raise TopologyError(
                f"{self._name} exists, but is not {self._expected}: {error.reply_text}"
            ) from error
