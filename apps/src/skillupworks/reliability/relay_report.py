"""What a relay counts and says."""

from collections.abc import Mapping, Sequence

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from skillupworks.messaging.message import Outgoing
from skillupworks.reliability.outbox import Backlog, Waiting
from skillupworks.runtime import trace

__all__ = ["RelayMetrics", "say_published", "say_stuck"]

log = structlog.get_logger()

# up to so many messages of a batch have a line in the log each
SAID_ONE_BY_ONE = 10


class RelayMetrics:
    """What a relay counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.published = Counter(
            "skillupworks_outbox_published", "Messages the broker confirmed", registry=registry
        )
        self.failures = Counter(
            "skillupworks_outbox_failures",
            "Attempts to publish that failed; the message is kept",
            registry=registry,
        )
        self.depth = Gauge("skillupworks_outbox_depth", "Messages waiting", registry=registry)
        self.stuck = Gauge(
            "skillupworks_outbox_stuck",
            "Messages waiting that could not be published",
            registry=registry,
        )
        self.oldest_seconds = Gauge(
            "skillupworks_outbox_oldest_age_seconds", "Age of the oldest one", registry=registry
        )
        self.connected = Gauge(
            "skillupworks_outbox_broker_connected", "1 while connected", registry=registry
        )

    def measured(self, backlog: Backlog) -> None:
        """Set the gauges of the backlog."""
        self.depth.set(backlog.messages)
        self.stuck.set(backlog.stuck)
        self.oldest_seconds.set(backlog.oldest_seconds)


def say_published(messages: Sequence[Waiting], host: str, seconds: float) -> None:
    """Log what the broker has confirmed: message by message, or a large batch as one."""
    facts = {"outcome": "confirmed", "duration_ms": round(seconds * 1000, 1)}
    if len(messages) > SAID_ONE_BY_ONE:
        log.info(f"Published {len(messages)} messages to RabbitMQ at {host}", **facts)
        return
    for message in (waiting.message for waiting in messages):
        log.info(
            f"Published {message.type} {message.message_id} to RabbitMQ exchange"
            f" {message.exchange}",
            **_identity(message),
            **facts,
        )


def say_stuck(refused: Mapping[str, Sequence[Waiting]]) -> None:
    """Log why messages stay behind, and for each message only when that is new."""
    for error, messages in refused.items():
        fresh = [waiting.message for waiting in messages if waiting.error != error]
        for message in fresh[:SAID_ONE_BY_ONE]:
            log.error(
                f"Error: {error}; {message.type} {message.message_id} stays in the outbox and is"
                " tried again later",
                **_identity(message),
                outcome="stuck",
            )
        if (more := len(fresh) - SAID_ONE_BY_ONE) > 0:
            log.error(f"Error: {error}; the same with {more} more messages")


def _identity(message: Outgoing) -> dict[str, str | None]:
    """Return the fields by which a message is found in the log."""
    traceparent = message.headers.get(trace.HEADER)
    found = trace.trace_id(traceparent) if isinstance(traceparent, str) else None
    return {"message_id": message.message_id, "trace_id": found}
