"""Messages as handlers and outboxes see them: no type of the client library in sight."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar
from uuid import uuid4

__all__ = ["Delivery", "Outcome", "Outgoing", "Work"]

M = TypeVar("M")


class Outcome(StrEnum):
    """How the processing of a delivery ended; in every case it can be acknowledged."""

    PROCESSED = "processed"
    DUPLICATE = "duplicate"
    RETRIED = "retried"
    PARKED = "parked"


# not frozen: freezing costs 2 us for each delivery, as much as reading it from the wire
@dataclass(slots=True)
class Delivery:
    """One delivery of a message; treat it as immutable.

    `message_id` is None when the publisher did not set one. `token` (up to 32 characters) is this
    delivery's own: a redelivery of the same message has another.
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


@dataclass(slots=True)
class Work(Generic[M]):
    """A delivery with the message that was read from it, and the number of the attempt, from 1."""

    message: M
    delivery: Delivery
    attempt: int = 1


# not frozen, for the same reason
@dataclass(slots=True)
class Outgoing:
    """A message to publish, persistent and mandatory; treat it as immutable."""

    exchange: str
    routing_key: str
    body: bytes
    message_id: str | None
    timestamp: datetime
    type: str | None = None
    content_type: str | None = "application/json"
    content_encoding: str | None = None
    headers: Mapping[str, object] = field(default_factory=dict)
