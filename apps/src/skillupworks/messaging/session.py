"""One connection of a consumer: from the first delivery on it to its end."""

from collections.abc import Callable, Sequence
from functools import partial
from threading import Event, Lock
from typing import TYPE_CHECKING
from uuid import uuid4

from skillupworks.errors import BrokerUnavailableError
from skillupworks.messaging.link import Link
from skillupworks.messaging.message import Delivery
from skillupworks.messaging.receipts import Receipts

if TYPE_CHECKING:
    from pika.channel import Channel
    from pika.frame import Method
    from pika.spec import Basic, BasicProperties, Queue

__all__ = ["Session", "Ticket"]


class Ticket:
    """A delivery with what is needed to settle it."""

    __slots__ = ("delivery", "session", "tag")

    def __init__(self, delivery: Delivery, tag: int, session: "Session") -> None:
        self.delivery = delivery
        self.tag = tag
        self.session = session


class Session:
    """Delivers from one channel, and settles on that channel and no other.

    A delivery tag means something on its own channel only. A worker keeps the session of the
    deliveries in its hands; when that connection is lost, its acknowledgement goes nowhere and
    the broker delivers the messages again.

    `acknowledge`, `give_back`, `stop_consuming`, `finish` and `over` may be used from any thread,
    everything else belongs to the thread that owns the connection.
    """

    def __init__(self, link: Link, *, native_retry: bool) -> None:
        self.host = link.host
        # whether what is given back is delayed, see delays_retries
        self.native_retry = native_retry
        # set when no delivery of this session should be begun or tried again
        self.over = Event()
        # messages settled on this connection: more than none means that it is a good one
        self.settled = 0
        self.queue_length = 0
        self._link = link
        self._channel = link.channel
        # the consumer's tag too
        self._name = uuid4().hex[:20]
        self._cancelled = False
        self._asked_length = False
        self._receipts = Receipts()
        # what workers are done with, and is not acknowledged yet
        self._done: list[int] = []
        self._lock = Lock()

    @property
    def in_flight(self) -> int:
        """How many messages are delivered and not settled."""
        return len(self._receipts)

    def start(self, queue: str, prefetch: int, deliver: Callable[[list[Ticket]], None]) -> None:
        """Ask for deliveries, at most `prefetch` before some are settled.

        They are passed on from here on, together those that have come together, since handing over
        a message costs more than reading it.
        """
        channel, receipts, name = self._channel, self._receipts, self._name
        arrived: list[Ticket] = []

        def pass_on() -> None:
            deliver(arrived.copy())
            arrived.clear()

        def on_message(
            _channel: "Channel",
            method: "Basic.Deliver",
            properties: "BasicProperties",
            body: bytes,
        ) -> None:
            tag = method.delivery_tag or 0
            receipts.add(tag)
            if not arrived:
                self._link.later(0, pass_on)  # once all that the socket holds is read
            arrived.append(
                Ticket(
                    Delivery(
                        body,
                        properties.message_id,
                        properties.content_type,
                        properties.content_encoding,
                        properties.type,
                        properties.headers or {},
                        method.exchange or "",
                        method.routing_key or "",
                        bool(method.redelivered),
                        f"{name}{tag:012d}",
                    ),
                    tag,
                    self,
                )
            )

        channel.add_on_cancel_callback(self._on_cancelled)
        self._link.call(partial(channel.basic_qos, prefetch_count=prefetch))
        self._link.call(partial(channel.basic_consume, queue, on_message, consumer_tag=name))

    def consume(self, queue: str, each_second: Callable[[], None]) -> None:
        """Pass on deliveries until `finish`.

        Raises BrokerUnavailableError when the broker cancels the consumer, and one of
        CONNECTION_ERRORS when the channel or the connection is lost.
        """

        def tick() -> None:
            if self.over.is_set():
                return
            self._link.later(1, tick)
            each_second()
            if self._channel.is_open and not self._asked_length:
                # a broker that does not answer is not asked again and again
                self._asked_length = True
                self._channel.queue_declare(queue, passive=True, callback=self._note_length)

        tick()
        if not self._cancelled:  # it may have been at the very beginning
            self._link.run()
        if self._cancelled:
            raise BrokerUnavailableError(
                f"RabbitMQ at {self.host} ended the delivery from queue '{queue}':"
                " it was deleted, or has no leader"
            )

    def acknowledge(self, tags: Sequence[int]) -> None:
        """Acknowledge deliveries soon; nothing happens when the connection is gone."""
        with self._lock:
            waiting = bool(self._done)
            self._done += tags
        # waking the owner costs a system call, and it is awake when it has not come to the last yet
        if tags and not waiting:
            self._link.soon(self._acknowledge)

    def give_back(self, tags: Sequence[int]) -> None:
        """Return deliveries to the queue soon, as failed attempts."""
        if tags:
            self._link.soon(partial(self._give_back, tags))

    def stop_consuming(self) -> None:
        """Ask for no more deliveries; those that are here can still be settled."""
        self._link.soon(self._cancel)

    def finish(self) -> None:
        """Make `consume` return soon, after what was to be settled until now."""
        self._link.soon(self._link.stop)

    def close(self) -> None:
        """Close the connection; what was not acknowledged goes back to the queue."""
        self.over.set()
        self._link.close()

    def _acknowledge(self) -> None:
        with self._lock:
            tags, self._done = self._done, []
        if self._channel.is_open:
            for tag, multiple in self._receipts.acknowledge(tags):
                self._channel.basic_ack(tag, multiple=multiple)
            self.settled += len(tags)

    def _give_back(self, tags: Sequence[int]) -> None:
        if self._channel.is_open:
            for tag in self._receipts.take(tags):
                self._channel.basic_reject(tag, requeue=True)
            self.settled += len(tags)

    def _cancel(self) -> None:
        if self._channel.is_open and not self._cancelled:
            self._channel.basic_cancel(self._name)

    def _on_cancelled(self, _frame: object) -> None:
        self._cancelled = True
        self._link.stop()

    def _note_length(self, frame: "Method[Queue.DeclareOk]") -> None:
        self._asked_length = False
        self.queue_length = frame.method.message_count
