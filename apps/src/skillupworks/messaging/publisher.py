"""Publishes messages so that none is lost: confirmed, mandatory and persistent.

confirmed              the broker has taken responsibility for the message
UnroutableError        no queue is bound for it; the broker has given it back
NotAcceptedError       the broker has refused it (nack), as for a queue that is full
MessageTooLargeError   it was not sent: the broker would close the channel over it, or a name or a
                       header of it cannot be written
UnconfirmedError       sent, but the connection was lost or time ran out: the broker has it or not
BrokerUnavailableError nothing was sent: there is no connection
"""

from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pika

from skillupworks.errors import BrokerUnavailableError, UnconfirmedError
from skillupworks.messaging.confirms import Batch, Confirms, PublishError
from skillupworks.messaging.connection import CONNECTION_ERRORS, Broker, describe, unavailable
from skillupworks.messaging.hosts import first_open
from skillupworks.messaging.link import Link
from skillupworks.messaging.message import Outgoing
from skillupworks.messaging.sending import send

if TYPE_CHECKING:
    from pika.channel import Channel
    from pika.spec import Basic, BasicProperties

__all__ = ["MAX_MESSAGE_BYTES", "Batch", "PublishError", "Publisher"]

# what the role rabbitmq sets `max_message_size` to: the broker closes a channel on a larger one
MAX_MESSAGE_BYTES = 1024 * 1024
CONFIRM_SECONDS = 10.0


class Publisher:
    """Publishes on a connection of its own, with as many confirms outstanding as are sent.

    The broker blocks connections that publish when it runs out of memory or disk; a consumer's
    connection must not be one of them. Connects when needed, and lets `prepare` do something with
    each new connection. Owned by one thread.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        max_bytes: int = MAX_MESSAGE_BYTES,
        prepare: Callable[[Link], None] | None = None,
    ) -> None:
        self._broker = broker
        self._max_bytes = max_bytes
        self._prepare = prepare
        self._link: Link | None = None
        self._confirms = Confirms()
        self._awaited: Batch | None = None
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
        return self._link is not None and self._link.is_open

    @property
    def host(self) -> str:
        """The broker host of the current or last connection."""
        return self._host

    def connect(self) -> None:
        """Connect unless connected; the hosts are tried in turn.

        Raises BrokerUnavailableError with the problems of all hosts.
        """
        if self.connected:
            return
        self.close()
        self._link = first_open(self._broker.hosts, self._open)
        self._host = self._link.host

    def publish(self, message: Outgoing, *, timeout: float = CONFIRM_SECONDS) -> None:
        """Publish and return when the broker has taken responsibility for the message.

        Raises one of the errors at the head of this module. `timeout` is in seconds.
        """
        (problem,) = self.publish_many([message], timeout=timeout)
        if problem is not None:
            raise problem

    def publish_many(
        self, messages: Sequence[Outgoing], *, timeout: float = CONFIRM_SECONDS
    ) -> list[PublishError | None]:
        """Publish all, then wait for the confirms up to `timeout` seconds.

        Returns what became of each, in order: None for a confirmed one, otherwise one of the errors
        at the head of this module. Raises BrokerUnavailableError when there is no connection:
        nothing was sent then.
        """
        return self.wait(self.send(messages), timeout=timeout)

    def send(self, messages: Sequence[Outgoing]) -> Batch:
        """Send all, and leave the confirms to `wait`: others can be sent before it.

        Raises BrokerUnavailableError when there is no connection: nothing was sent then.
        """
        self.connect()
        if (link := self._link) is None:
            raise BrokerUnavailableError("not connected")
        batch = Batch()
        try:
            with link.corked():
                for message in messages:
                    problem = send(link.channel, message, self._max_bytes)
                    if problem is None:
                        self._confirms.expect(batch, message)
                    else:
                        batch.outcomes.append(problem)
        except CONNECTION_ERRORS as error:
            reason = self._lost(error)
            # what was not even sent is no more confirmed than the rest
            batch.outcomes += [UnconfirmedError(reason) for _ in messages[len(batch.outcomes) :]]
        return batch

    def wait(self, batch: Batch, *, timeout: float = CONFIRM_SECONDS) -> list[PublishError | None]:
        """Wait up to `timeout` seconds for what the broker says of a batch; batches in any order.

        Returns what became of each message, as `publish_many` does. When something is unconfirmed,
        so is all else that waits, and the connection is closed: a confirm that comes late must not
        be taken for a later message's.
        """
        if batch.outstanding and (link := self._link) is not None:
            self._awaited = batch
            try:
                link.run(seconds=timeout)
                if batch.outstanding:
                    self._confirms.give_up(self._why_unconfirmed(link, timeout))
                    self.close()
            except CONNECTION_ERRORS as error:
                self._lost(error)
            finally:
                self._awaited = None
        return batch.outcomes

    def serve(self) -> None:
        """Answer heartbeats and notice a lost connection; call it at least every few seconds."""
        if self._link is None:
            return
        try:
            self._link.run(seconds=0)
        except CONNECTION_ERRORS as error:
            self._lost(error)
            raise BrokerUnavailableError(
                f"Lost RabbitMQ at {self._host}: {describe(error)}"
            ) from error

    def close(self) -> None:
        """Close the connection, whatever state it is in; the publisher can connect again.

        What waits for a confirm is unconfirmed.
        """
        link, self._link = self._link, None
        if link is not None:
            link.close()
        self._confirms.give_up(f"The connection to RabbitMQ at {self._host} was closed")
        self._confirms = Confirms()

    def _open(self, host: str) -> Link:
        link = Link(self._broker, host)
        confirms = self._confirms

        def on_answer(frame: Any) -> None:  # noqa: ANN401 - pika's frame around Ack or Nack
            confirms.answered(
                frame.method.delivery_tag,
                multiple=frame.method.multiple,
                accepted=isinstance(frame.method, pika.spec.Basic.Ack),
            )
            if (awaited := self._awaited) is not None and not awaited.outstanding:
                link.stop()

        def on_return(
            _channel: "Channel",
            method: "Basic.Return",
            properties: "BasicProperties",
            _body: bytes,
        ) -> None:
            confirms.returned(
                method.exchange or "", method.routing_key or "", properties.message_id
            )

        try:
            if self._prepare is not None:
                self._prepare(link)  # which may change its channel
            link.channel.add_on_return_callback(on_return)
            link.call(partial(link.channel.confirm_delivery, on_answer))
        except CONNECTION_ERRORS as error:
            link.close()
            raise unavailable(error, host, self._broker.user) from error
        except BaseException:
            link.close()
            raise
        return link

    def _lost(self, error: BaseException) -> str:
        """Close after a connection error; return the reason why what was sent is unconfirmed."""
        reason = f"Lost RabbitMQ at {self._host} before it confirmed: {describe(error)}"
        self._confirms.give_up(reason)
        self.close()
        return reason

    def _why_unconfirmed(self, link: Link, timeout: float) -> str:
        if link.blocked:
            return (
                f"RabbitMQ at {self._host} has blocked publishers (memory or disk alarm) and did"
                f" not confirm within {timeout:.0f} s"
            )
        return f"RabbitMQ at {self._host} did not confirm within {timeout:.0f} s"
