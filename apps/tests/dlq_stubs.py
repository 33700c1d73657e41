"""Stand-ins for a broker: queues of parked messages in memory."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

from skillupworks.errors import (
    BrokerUnavailableError,
    NotAcceptedError,
    TopologyError,
    UnroutableError,
)
from skillupworks.messaging.parked import Parked

NOW = datetime(2026, 11, 22, 16, 0, tzinfo=UTC)
PAGE = 100
ORDER_BODY = b'{"orderId": "ORD-1", "total": 2000}'


def parked(
    message_id: str | None = "message-1",
    body: bytes = ORDER_BODY,
    *,
    minutes: float = 10,
    headers: dict[str, object] | None = None,
    **own: object,
) -> Parked:
    """Return a message as a consumer parks it, so many minutes before NOW."""
    history = {
        "reason": "invalid",
        "error": "total: is 2000, but the items add up to 1999",
        "error_class": "ValidationError",
        "attempts": 1,
        "first_failed_at": (NOW - timedelta(minutes=minutes)).isoformat(),
        "last_failed_at": (NOW - timedelta(minutes=minutes)).isoformat(),
        "queue": "order-processing",
        "exchange": "skillupworks",
        "routing_key": "order.created",
    } | own
    named = {
        f"skillupworks-{name.replace('_', '-')}": value
        for name, value in history.items()
        if value is not None
    }
    properties = {"message_id": message_id, "content_type": "application/json", "delivery_mode": 2}
    return Parked(
        body=body,
        headers=named | (headers or {}),
        properties={name: value for name, value in properties.items() if value is not None},
    )


class MemoryBroker:
    """Queues by name.

    A `full` one takes nothing; `failing` puts what is published there into the dead-letter queue
    at once. The broker is lost after so many publishes, or so many removals.
    """

    def __init__(self, *messages: Parked, queue: str = "order-processing-dlq") -> None:
        self.queues: dict[str, list[Parked]] = {queue: list(messages), "order-processing": []}
        self.full: set[str] = set()
        self.failing: dict[str, str] = {}
        self.publishes_left: int | None = None
        self.removals_left: int | None = None
        self.tags = count(1)

    def open(self, queue: str) -> "MemoryDeadLetters":
        return MemoryDeadLetters(self, queue)

    def lose(self, left: int | None) -> int | None:
        """Count down; raise BrokerUnavailableError at the end."""
        if left == 0:
            raise BrokerUnavailableError("RabbitMQ at memory is lost: killed")
        return left if left is None else left - 1

    def keys(self, queue: str = "order-processing-dlq") -> list[str]:
        return [message.key for message in self.queues[queue]]


class MemoryDeadLetters:
    """DeadLetters in memory."""

    host = "memory"

    def __init__(self, broker: MemoryBroker, queue: str) -> None:
        self.queue = queue
        self._broker = broker
        self._held: list[Parked] = []

    def count(self) -> int:
        if self.queue not in self._broker.queues:
            raise TopologyError(f"there is no queue '{self.queue}'")
        return len(self._broker.queues[self.queue])

    def pages(self) -> Iterator[list[Parked]]:
        left = self.count()
        messages = self._broker.queues[self.queue]
        try:
            while left > 0:
                taken = [messages.pop(0) for _ in range(min(PAGE, left, len(messages)))]
                if not taken:
                    return
                left -= len(taken)
                page = [replace(message, tag=next(self._broker.tags)) for message in taken]
                self._held += page
                yield page
        finally:
            messages[:0], self._held = self._held, []

    def remove(self, message: Parked) -> None:
        self._broker.removals_left = self._broker.lose(self._broker.removals_left)
        self._held.remove(message)

    def publish(self, queue: str, message: Parked) -> None:
        self._broker.publishes_left = self._broker.lose(self._broker.publishes_left)
        if queue not in self._broker.queues:
            raise UnroutableError(f"there is no queue '{queue}'")
        if queue in self._broker.full:
            raise NotAcceptedError(f"queue '{queue}' takes no more: it is full")
        self._broker.queues[self._broker.failing.get(queue, queue)].append(message)

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def close(self) -> None:
        """There is nothing to give back between two pages."""
