"""Copies of messages that failed: one that waits for its next attempt, one that is parked.

The copy is published by us and not dead-lettered by the broker: a rejected message would carry
only "rejected", while ours says why, how often it was tried and when. The count of attempts is a
header of ours too: RabbitMQ 4 ignores an `x-death` that a client sends.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from skillupworks.errors import PermanentError
from skillupworks.messaging.message import Delivery, Outgoing
from skillupworks.messaging.topology import QueueTopology, wait_queue

__all__ = ["Failure", "attempt_of", "given_back", "parked_copy", "retry_copy"]

ATTEMPTS = "skillupworks-attempts"
FIRST_FAILED = "skillupworks-first-failed-at"
EXCHANGE = "skillupworks-exchange"
ROUTING_KEY = "skillupworks-routing-key"
# what a quorum queue counts: how often the message was rejected, or its connection was lost
DELIVERY_COUNT = "x-delivery-count"

# with these, the broker would put a copy into more queues
ROUTING = ("CC", "BCC")

ERROR_CHARACTERS = 2000
# all properties of a message must fit into one frame (128 KiB): a message whose own headers are
# near that could not be parked with more of them
HEADER_BYTES = 64 * 1024
# more of them than anybody waits for; a header can hold any number
MAX_ATTEMPTS = 1_000_000


@dataclass(frozen=True)
class Failure:
    """An attempt that failed; `attempt` counts from 1."""

    delivery: Delivery
    error: Exception
    attempt: int

    @property
    def reason(self) -> str:
        """A short word to group parked messages by."""
        return self.error.reason if isinstance(self.error, PermanentError) else "exhausted"


def attempt_of(delivery: Delivery, *, native_retry: bool) -> int:
    """Return the number of this attempt, from 1.

    Where the queue itself delays retries, its count goes on from ours: the message may have been in
    a wait queue before the broker was updated. Elsewhere, what the queue counts is no attempt.
    """
    ours = _count(delivery.headers.get(ATTEMPTS))
    return ours + (given_back(delivery) if native_retry else 0) + 1


def given_back(delivery: Delivery) -> int:
    """Return how often the broker has got the message back from a consumer, by its own count."""
    return _count(delivery.headers.get(DELIVERY_COUNT))


def parked_copy(failure: Failure, topology: QueueTopology) -> Outgoing:
    """Return the message to put into the dead-letter queue."""
    return _copy(failure, topology, topology.dead_letter_exchange, topology.queue)


def retry_copy(failure: Failure, topology: QueueTopology, delay: int) -> Outgoing:
    """Return the message to put into the wait queue of `delay` seconds."""
    return _copy(failure, topology, "", wait_queue(topology.queue, delay))


def _copy(failure: Failure, topology: QueueTopology, exchange: str, routing_key: str) -> Outgoing:
    delivery = failure.delivery
    now = datetime.now(UTC)
    headers = _own(delivery.headers)
    return Outgoing(
        exchange=exchange,
        routing_key=routing_key,
        body=delivery.body,
        message_id=delivery.message_id,
        timestamp=now,
        type=delivery.type,
        content_type=delivery.content_type,
        content_encoding=delivery.content_encoding,
        headers={**headers, **_history(failure, topology, headers, now)},
    )


def _own(headers: Mapping[str, object]) -> Mapping[str, object]:
    """Leave out what the broker has added, or acts on: it would be taken for the copy's own."""
    kept = {
        name: value
        for name, value in headers.items()
        # a name that is no UTF-8 comes as bytes
        if not str(name).startswith("x-") and name not in ROUTING
    }
    if len(repr(kept).encode()) > HEADER_BYTES:
        return {"skillupworks-headers": "left out, since they were too large"}
    return kept


def _history(
    failure: Failure, topology: QueueTopology, headers: Mapping[str, object], now: datetime
) -> dict[str, object]:
    error = failure.error
    cause = error.__cause__ or error
    time = now.isoformat(timespec="milliseconds")
    delivery = failure.delivery
    first = headers.get(FIRST_FAILED, time if failure.attempt == 1 else None)
    return {
        "skillupworks-reason": _text(failure.reason),
        "skillupworks-error": _text(str(error) or type(error).__name__),
        "skillupworks-error-class": type(cause).__name__,
        ATTEMPTS: failure.attempt,
        # not known where the queue itself delays retries, since nothing is written down there
        **({} if first is None else {FIRST_FAILED: first}),
        "skillupworks-last-failed-at": time,
        "skillupworks-queue": topology.queue,
        # a copy comes back by another way than the message first came
        EXCHANGE: headers.get(EXCHANGE, delivery.exchange),
        ROUTING_KEY: headers.get(ROUTING_KEY, delivery.routing_key),
    }


def _count(value: object) -> int:
    return min(value, MAX_ATTEMPTS) if isinstance(value, int) and value >= 0 else 0


def _text(text: str) -> str:
    """Return a text of tolerable length that can be written as UTF-8, whatever a message held."""
    return text[:ERROR_CHARACTERS].encode(errors="replace").decode()
