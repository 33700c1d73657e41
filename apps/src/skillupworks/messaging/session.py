"""One connection of a consumer: from the first delivery on it to its end."""

from collections.abc import Callable
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from pika.exceptions import ConnectionWrongStateError

from skillupworks.messaging.connection import CONNECTION_ERRORS
from skillupworks.messaging.message import Delivery

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
    from pika.spec import Basic, BasicProperties

__all__ = ["Session"]


class Session:
    """Delivers from one channel, and settles on that channel and no other.

    A delivery tag means something on its own channel only. A worker keeps the session of the
    delivery in its hands; when that connection is lost, its acknowledgement goes nowhere and the
    broker delivers the message again.

    `acknowledge`, `stop_consuming` and `over` may be used from any thread, everything else
    belongs to the thread that owns the connection.
    """

    def __init__(
        self, connection: "BlockingConnection", channel: "BlockingChannel", host: str
    ) -> None:
        self.host = host
        self.in_flight = 0
        # set when no delivery of this session should be begun or tried again
        self.over = Event()
        self._connection = connection
        self._channel = channel

    def acknowledge(self, tag: int) -> None:
        """Acknowledge a delivery soon; nothing happens when the connection is gone."""
        self._call(partial(self._acknowledge, tag))

    def stop_consuming(self) -> None:
        """End `consume` soon; what was not yet handed on goes back to the queue."""
        self.over.set()
        self._call(self._cancel)

    def start(self, queue: str, deliver: Callable[[Delivery, int], None]) -> None:
        """Ask for deliveries; each is passed on with its tag once `consume` runs."""

        def on_message(
            _channel: "BlockingChannel",
            method: "Basic.Deliver",
            properties: "BasicProperties",
            body: bytes,
        ) -> None:
            self.in_flight += 1
            delivery = Delivery(
                body=body,
                message_id=properties.message_id,
                content_type=properties.content_type,
                content_encoding=properties.content_encoding,
                type=properties.type,
                headers=properties.headers or {},
                exchange=method.exchange or "",
                routing_key=method.routing_key or "",
                redelivered=bool(method.redelivered),
            )
            deliver(delivery, method.delivery_tag or 0)

        self._channel.basic_consume(queue, on_message)

    def consume(self, each_second: Callable[[], None]) -> None:
        """Pass on deliveries until `stop_consuming`, or until the broker cancels the consumer.

        pika returns in both cases alike. Raises one of CONNECTION_ERRORS when the channel or the
        connection is lost.
        """

        def tick() -> None:
            if self._connection.is_open:
                self._connection.call_later(1, tick)
            each_second()

        tick()
        self._channel.start_consuming()

    def serve(self, seconds: float) -> None:
        """Send what is waiting to be sent, and answer heartbeats, for up to `seconds`."""
        self._connection.process_data_events(time_limit=seconds)

    def close(self) -> None:
        """Close the connection; what was not acknowledged goes back to the queue."""
        self.over.set()
        try:
            if self._connection.is_open:
                self._connection.close()
        except CONNECTION_ERRORS:
            return  # it was on its way down already

    def _call(self, function: Callable[[], None]) -> None:
        try:
            self._connection.add_callback_threadsafe(function)
        except ConnectionWrongStateError:
            return  # lost: whatever was in flight is with the broker again

    def _acknowledge(self, tag: int) -> None:
        if self._channel.is_open:
            self._channel.basic_ack(tag)
            self.in_flight -= 1

    def _cancel(self) -> None:
        if self._channel.is_open:
            self._channel.stop_consuming()
