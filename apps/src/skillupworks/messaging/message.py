"""Messages as handlers and outboxes see them: no type of the client library in sight."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import uuid4

__all__ = ["Delivery", "Outcome", "Outgoing"]


class Outcome(StrEnum):
    """How the processing of a delivery ended; in every case it can be acknowledged."""

    PROCESSED = "processed"
    DUPLICATE = "duplicate"
    PARKED = "parked"


@dataclass(frozen=True)
class Delivery:
    """One delivery of a message.

    `message_id` is None when the publisher did not set one. `token` is this delivery's own: a
    redelivery of the same message has another.
    """

    body: bytes
    message_id: str | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    type: str | None = None
    headers: Mapping[str, object] = field(default_factory=dict)
    exchange: str = ""
    routing_key: str = ""
    redelivered: bool = False
    token: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True)
class Outgoing:
    """A message to publish; it is always sent persistent and mandatory."""

    exchange: str
    routing_key: str
    body: bytes
    message_id: str | None
    timestamp: datetime
    type: str | None = None
    content_type: str | None = "application/json"
    content_encoding: str | None = None
    headers: Mapping[str, object] = field(default_factory=dict)
