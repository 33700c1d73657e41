"""Copies of messages that failed: one that waits for its next attempt, one that is parked.

The copy is published by us and not dead-lettered by the broker: a rejected message would carry
only "rejected", while ours says why, how often it was tried and when. The count of attempts is a
header of ours too: RabbitMQ 4 ignores an `x-death` that a client sends.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from skillupworks.errors import PermanentError
from skillupworks.messaging.message import Delivery, Outgoing
from skillupworks.messaging.topology import QueueTopology, wait_queue

__all__ = ["Failure", "attempt_of", "parked_copy", "retry_copy"]

ATTEMPTS = "skillupworks-attempts"
FIRST_FAILED = "skillupworks-first-failed-at"
EXCHANGE = "skillupworks-exchange"
ROUTING_KEY = "skillupworks-routing-key"
# what a quorum queue counts, from RabbitMQ 4.3.1 on: how often the message was rejected
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

    With `native_retry` the broker's count is added to ours: a message that came from a wait queue
    before the broker was upgraded goes on where it was.
    """
    names = (ATTEMPTS, DELIVERY_COUNT) if native_retry else (ATTEMPTS,)
    return min(sum(_count(delivery, name) for name in names), MAX_ATTEMPTS) + 1


def parked_copy(failure: Failure, topology: QueueTopology, waited: float = 0) -> Outgoing:
    """Return the message to put into the dead-letter queue.

    `waited` is for how many seconds the broker has delayed it by itself, which leaves no header:
    if none says when it failed first, it was so long ago.
    """
    return _copy(failure, topology, (topology.dead_letter_exchange, topology.queue), waited)


def retry_copy(failure: Failure, topology: QueueTopology, delay: int) -> Outgoing:
    """Return the message to put into the wait queue of `delay` seconds."""
    return _copy(failure, topology, ("", wait_queue(topology.queue, delay)))


def _count(delivery: Delivery, name: str) -> int:
    found = delivery.headers.get(name, 0)
    return min(found, MAX_ATTEMPTS) if isinstance(found, int) and found >= 0 else 0


def _copy(
    failure: Failure, topology: QueueTopology, way: tuple[str, str], waited: float = 0
) -> Outgoing:
    exchange, routing_key = way
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
        headers={**headers, **_history(failure, topology, headers, now, waited)},
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
    failure: Failure,
    topology: QueueTopology,
    headers: Mapping[str, object],
    now: datetime,
    waited: float,
) -> dict[str, object]:
    error = failure.error
    cause = error.__cause__ or error
    time = now.isoformat(timespec="milliseconds")
    first = (now - timedelta(seconds=waited)).isoformat(timespec="milliseconds")
    delivery = failure.delivery
    return {
        "skillupworks-reason": _text(failure.reason),
        "skillupworks-error": _text(str(error) or type(error).__name__),
        "skillupworks-error-class": type(cause).__name__,
        ATTEMPTS: failure.attempt,
        FIRST_FAILED: headers.get(FIRST_FAILED, first),
        "skillupworks-last-failed-at": time,
        "skillupworks-queue": topology.queue,
        # a copy comes back by another way than the message first came
        EXCHANGE: headers.get(EXCHANGE, delivery.exchange),
        ROUTING_KEY: headers.get(ROUTING_KEY, delivery.routing_key),
    }


def _text(text: str) -> str:
    """Return a text of tolerable length that can be written as UTF-8, whatever a message held."""
    return text[:ERROR_CHARACTERS].encode(errors="replace").decode()
