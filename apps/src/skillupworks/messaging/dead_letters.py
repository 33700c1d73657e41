"""A dead-letter queue on the broker, for an operator's tool.

Looking at messages means taking them without an acknowledgement and giving them back. For a quorum
queue that is a delivery. Up to RabbitMQ 4.2 it counts them, and moves a message on that was
delivered more often than the queue's delivery limit allows; the policy of our dead-letter queues
sets that limit to 1,000,000. And it does not keep the order: what was given back stands behind
other messages that were given back before, in groups that are mixed up.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import pika
from pika import exceptions as amqp

from skillupworks.errors import (
    BrokerUnavailableError,
    MessageTooLargeError,
    NotAcceptedError,
    TopologyError,
    TransientError,
    UnroutableError,
)
from skillupworks.messaging.connection import CONNECTION_ERRORS, Broker, describe
from skillupworks.messaging.parked import Parked

if TYPE_CHECKING:
    from pika import spec
    from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

__all__ = ["BrokerDeadLetters"]

NOT_FOUND = 404
# this tool is a consumer as well, for moments; another operator may be using it
LOOKS = 5
LOOK_SECONDS = 0.2
# RabbitMQ sends up to 32 acknowledgements to a quorum queue before it waits for the queue; those
# that wait are lost when the channel is closed, and their messages come back. Beginning and
# ending a page's consumer waits for the queue, so the acknowledgements of a page are sent at once.
PAGE = 30
# a page of large messages has fewer of them; the first one tells how large they are
FIRST_PAGE = 10
PAGE_BYTES = 16 * 1024 * 1024
# messages that are there come at once, unless somebody else has taken them
QUIET_SECONDS = 2.0
# the broker closes a channel that holds a message for 30 minutes (consumer_timeout)
HOLD_SECONDS = 25 * 60.0
# all properties of a message must fit into one frame of 128 KiB
PROPERTY_BYTES = 128 * 1024 - 64

# counters of the queue the message is in, added to its headers at each delivery
COUNTERS = ("x-delivery-count", "x-acquired-count")
# with `expiration` a message would vanish while it waits, and `user_id` must be our own
NOT_PUBLISHED = ("expiration", "user_id", "delivery_mode")
PROPERTIES = tuple(name for name in vars(pika.BasicProperties()) if name != "headers")


class BrokerDeadLetters:
    """A dead-letter queue over one connection; see DeadLetters for what the methods promise.

    One channel holds the messages, another one publishes. Both are on one connection, which a
    service would never do (the broker stops reading from who publishes when it runs out of memory
    or disk): here, nothing can go on then anyway.
    """

    def __init__(self, broker: Broker, queue: str) -> None:
        self._broker = broker
        self._queue = queue
        self._connection, self._host = self._connect()
        self._holding: BlockingChannel | None = None
        self._publishing: BlockingChannel | None = None
        self._held = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    @property
    def queue(self) -> str:
        """The queue's name."""
        return self._queue

    @property
    def host(self) -> str:
        """The broker's host."""
        return self._host

    def count(self) -> int:
        """Return how many messages are in the queue and not in somebody's hands.

        Raises TopologyError when there is no such queue, or when it has consumers: then it is
        not a queue of dead letters, and taking messages from it would be in their way.
        """
        for _ in range(LOOKS):
            queue = self._look()
            if not queue.consumer_count:
                return int(queue.message_count)
            self.wait(LOOK_SECONDS)
        raise TopologyError(
            f"queue '{self._queue}' has consumers ({queue.consumer_count}):"
            " it is not a queue of dead letters"
        )

    def pages(self) -> Iterator[list[Parked]]:
        """Yield the messages that are there now, some at a time.

        Raises TransientError when the broker would soon take back what is held.
        """
        left = self.count()
        size = FIRST_PAGE
        since = monotonic()
        try:
            while left > 0:
                if not self._held:
                    since = monotonic()
                elif monotonic() - since > HOLD_SECONDS:
                    raise TransientError(
                        f"RabbitMQ allows nobody to hold a message for 30 minutes, and {self._held}"
                        " that did not match have been held for 25"
                    )
                page = self._hold(min(size, left))
                if not page:
                    return
                left -= len(page)
                largest = max(len(message.body) for message in page)
                size = min(PAGE, max(1, PAGE_BYTES // max(1, largest)))
                yield page
        finally:
            self._give_back()

    def remove(self, message: Parked) -> None:
        """Take a message out of the queue for good."""
        with self._errors():
            if self._holding is None:
                raise BrokerUnavailableError("the message is no longer held")
            self._holding.basic_ack(message.tag)
            self._held -= 1

    def publish(self, queue: str, message: Parked) -> None:
        """Put a message into a queue; when this returns, the broker has it."""
        kept = {k: v for k, v in message.properties.items() if k not in NOT_PUBLISHED}
        properties = pika.BasicProperties(
            **cast("dict[str, Any]", kept),
            headers=cast("dict[str, Any]", dict(message.headers)) or None,
            delivery_mode=pika.DeliveryMode.Persistent.value,
        )
        size = sum(map(len, properties.encode()))
        if size > PROPERTY_BYTES:
            raise MessageTooLargeError(f"{size} bytes of headers are more than RabbitMQ takes")
        with self._errors():
            if self._publishing is None:
                self._publishing = self._connection.channel()
                self._publishing.confirm_delivery()
            try:
                self._publishing.basic_publish("", queue, message.body, properties, mandatory=True)
            except amqp.UnroutableError as error:
                raise UnroutableError(f"there is no queue '{queue}'") from error
            except amqp.NackError as error:
                raise NotAcceptedError(f"queue '{queue}' takes no more: it is full") from error

    def wait(self, seconds: float) -> None:
        """Let time pass without losing the connection."""
        with self._errors():
            self._connection.sleep(seconds)

    def close(self) -> None:
        """Give back what was not removed, and end the connection, whatever state it is in."""
        try:
            self._give_back()
            if self._connection.is_open:
                self._connection.close()
        except CONNECTION_ERRORS:
            return  # lost, which gives everything back as well

    def _connect(self) -> tuple["BlockingConnection", str]:
        """Return a connection to the first host that lets us in."""
        problem = BrokerUnavailableError("no host")
        for host in self._broker.hosts:
            try:
                return self._broker.connect(host), host
            except BrokerUnavailableError as error:
                problem = error
        raise problem

    def _look(self) -> "spec.Queue.DeclareOk":
        with self._errors():
            channel = self._connection.channel()
            try:
                queue = channel.queue_declare(self._queue, passive=True).method
            except amqp.ChannelClosedByBroker as error:
                if error.reply_code != NOT_FOUND or "no queue" not in error.reply_text:
                    raise
                raise TopologyError(
                    f"there is no queue '{self._queue}' on RabbitMQ {self._host}"
                    f" (virtual host '{self._broker.vhost}')"
                ) from None
            channel.close()
        return queue

    def _hold(self, number: int) -> list[Parked]:
        """Take up to so many messages without acknowledging them; fewer if somebody else does.

        A consumer that ends with the page, since `basic_get` is a consumer of its own for each
        message to a quorum queue, and slows down with every message held.
        """
        page: list[Parked] = []
        with self._errors():
            channel = self._holding = self._holding or self._connection.channel()
            channel.basic_qos(prefetch_count=number)
            deliveries = channel.consume(self._queue, inactivity_timeout=QUIET_SECONDS)
            for method, properties, body in deliveries:
                if method is None or properties is None or body is None:
                    break
                page.append(_parked(method.delivery_tag or 0, properties, body))
                if len(page) == number:
                    break
            channel.cancel()
        self._held += len(page)
        return page

    def _give_back(self) -> None:
        """Give back what is held: RabbitMQ 4.3 does not count it as a delivery when told so."""
        channel, self._holding, self._held = self._holding, None, 0
        if channel is not None and channel.is_open:
            with self._errors():
                channel.basic_nack(0, multiple=True, requeue=True)
                channel.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn pika's errors into ours."""
        try:
            yield
        except CONNECTION_ERRORS as error:
            if isinstance(error, BrokerUnavailableError):
                raise
            happened = "refuses" if isinstance(error, amqp.ChannelClosed) else "is lost"
            raise BrokerUnavailableError(
                f"RabbitMQ at {self._host} {happened}: {describe(error)}"
            ) from error


def _parked(tag: int, properties: pika.BasicProperties, body: bytes) -> Parked:
    headers: Mapping[str, object] = properties.headers or {}
    returned = headers.get("x-acquired-count", headers.get("x-delivery-count", 0))
    values = {name: getattr(properties, name) for name in PROPERTIES}
    return Parked(
        body=body,
        headers={name: value for name, value in headers.items() if name not in COUNTERS},
        properties={name: value for name, value in values.items() if value is not None},
        returned=returned if isinstance(returned, int) else 0,
        tag=tag,
    )
