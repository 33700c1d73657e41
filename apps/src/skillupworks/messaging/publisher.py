"""Publishes messages so that none is lost: confirmed, mandatory and persistent."""

from datetime import UTC
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import pika
from pika import exceptions as amqp

from skillupworks.errors import BrokerUnavailableError, NotAcceptedError, UnroutableError
from skillupworks.messaging.connection import CONNECTION_ERRORS, Broker, describe, unavailable
from skillupworks.messaging.message import Outgoing

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection

__all__ = ["Publisher"]


class Publisher:
    """Publishes one message at a time on a connection of its own, and waits for its confirm.

    The broker blocks connections that publish when it runs out of memory or disk; a consumer's
    connection must not be one of them. Connects when needed. Owned by one thread.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._connection: BlockingConnection | None = None
        self._channel: BlockingChannel | None = None
        self._host = broker.hosts[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    @property
    def connected(self) -> bool:
        """Whether the connection was there when it was last used."""
        return self._channel is not None and self._channel.is_open

    @property
    def host(self) -> str:
        """The broker host of the current or last connection."""
        return self._host

    def connect(self) -> None:
        """Connect unless connected; the hosts are tried in turn.

        Raises BrokerUnavailableError with the last host's problem.
        """
        if self.connected:
            return
        self.close()
        problem = BrokerUnavailableError("no host")
        for host in self._broker.hosts:
            try:
                self._connection = self._broker.connect(host)
                self._host = host
                self._channel = self._connection.channel()
                self._channel.confirm_delivery()
            except BrokerUnavailableError as error:
                problem = error
            except CONNECTION_ERRORS as error:
                problem = unavailable(error, host, self._broker.user)
            else:
                return
        raise problem

    def publish(self, message: Outgoing) -> None:
        """Publish and return when the broker has taken responsibility for the message.

        Raises UnroutableError (no queue is bound for it), NotAcceptedError (nack) or
        BrokerUnavailableError (the connection was lost first: the broker may have the message
        or not, so it must be published again, with the same message id).
        """
        self.connect()
        channel = self._channel
        if channel is None:
            raise BrokerUnavailableError("not connected")
        properties = pika.BasicProperties(
            content_type=message.content_type,
            content_encoding=message.content_encoding,
            delivery_mode=pika.DeliveryMode.Persistent.value,
            message_id=message.message_id,
            type=message.type,
            timestamp=int(message.timestamp.astimezone(UTC).timestamp()),
            headers=cast("dict[str, Any]", dict(message.headers)),
        )
        where = f"exchange '{message.exchange}', routing key '{message.routing_key}'"
        try:
            channel.basic_publish(
                message.exchange, message.routing_key, message.body, properties, mandatory=True
            )
        except amqp.UnroutableError as error:
            raise UnroutableError(f"no queue is bound for {where}") from error
        except amqp.NackError as error:
            raise NotAcceptedError(f"the broker refused the message for {where}") from error
        except CONNECTION_ERRORS as error:
            self.close()
            raise BrokerUnavailableError(
                f"Lost RabbitMQ at {self._host} before it confirmed: {describe(error)}"
            ) from error

    def serve(self) -> None:
        """Answer heartbeats and notice a lost connection; call it at least every few seconds."""
        if self._connection is None:
            return
        try:
            self._connection.process_data_events(time_limit=0)
        except CONNECTION_ERRORS as error:
            self.close()
            raise BrokerUnavailableError(
                f"Lost RabbitMQ at {self._host}: {describe(error)}"
            ) from error

    def close(self) -> None:
        """Close the connection, whatever state it is in; the publisher can connect again."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None and connection.is_open:
            try:
                connection.close()
            except CONNECTION_ERRORS:
                return  # it was on its way down already
