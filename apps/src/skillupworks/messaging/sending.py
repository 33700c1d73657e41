"""Writes a message to a channel, or says why it cannot be written."""

from typing import TYPE_CHECKING, Any, cast

import pika

from skillupworks.errors import MessageTooLargeError
from skillupworks.messaging.message import Outgoing

if TYPE_CHECKING:
    from pika.channel import Channel

__all__ = ["send"]


def send(channel: "Channel", message: Outgoing, max_bytes: int) -> MessageTooLargeError | None:
    """Write a message, persistent and mandatory; return None, or why nothing of it was written.

    Raises whatever pika does when the channel is gone.
    """
    if len(message.body) > max_bytes:
        return MessageTooLargeError(
            f"{_name(message)} has {len(message.body):,} bytes, and the broker takes {max_bytes:,}"
        )
    try:
        channel.basic_publish(
            message.exchange,
            message.routing_key,
            message.body,
            _properties(message),
            mandatory=True,
        )
    except Exception as error:
        if not channel.is_open:
            raise
        # a name of more than 255 bytes, for instance; nothing of it has left
        return MessageTooLargeError(f"{_name(message)} cannot be written: {error!r}")
    return None


def _properties(message: Outgoing) -> pika.BasicProperties:
    return pika.BasicProperties(
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        delivery_mode=pika.DeliveryMode.Persistent.value,
        message_id=message.message_id,
        type=message.type,
        timestamp=int(message.timestamp.timestamp()),
        headers=cast("dict[str, Any]", dict(message.headers)),
    )


def _name(message: Outgoing) -> str:
    return f"message {message.message_id or 'without id'}"
