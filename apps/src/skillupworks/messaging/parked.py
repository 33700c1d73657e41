"""Parked messages as an operator sees them, and the interface of the queue that holds them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from typing import Protocol

__all__ = ["DeadLetters", "Death", "Parked", "text_of"]

UNKNOWN = "unknown"
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

# what RabbitMQ calls its reasons for dead-lettering a message by itself
BROKER_REASONS = {
    "delivery_limit": "never acknowledged, though delivered again and again",
    "rejected": "rejected by a consumer that did not say why",
    "expired": "its time to live ended",
    "maxlen": "its queue was full",
}


@dataclass(frozen=True)
class Death:
    """One entry of `x-death`: the broker took the message out of a queue by itself."""

    queue: str
    reason: str
    count: int
    time: datetime | None


@dataclass(frozen=True)
class Parked:
    """A message of a dead-letter queue, exactly as the broker has it; the rest is read from that.

    `headers` are without the broker's own counters; `returned` is one of them: how often the
    message was given back to the dead-letter queue. `tag` belongs to who delivered it.
    """

    body: bytes
    headers: Mapping[str, object] = field(default_factory=dict)
    properties: Mapping[str, object] = field(default_factory=dict)
    returned: int = 0
    tag: int = 0

    @cached_property
    def message_id(self) -> str | None:
        """The id that its publisher gave it."""
        return text_of(self.properties.get("message_id")) or None

    @cached_property
    def key(self) -> str:
        """The message id, and for a message without one a name made from its body."""
        return self.message_id or f"sha256:{sha256(self.body).hexdigest()[:16]}"

    @cached_property
    def deaths(self) -> tuple[Death, ...]:
        """What the broker did with it by itself, the latest first."""
        entries = self.headers.get("x-death")
        return tuple(
            Death(
                queue=text_of(entry.get("queue")),
                reason=text_of(entry.get("reason")),
                count=_number(entry.get("count")),
                time=_time(entry.get("time")),
            )
            for entry in (entries if isinstance(entries, list) else [])
            if isinstance(entry, dict)
        )

    @property
    def death(self) -> Death | None:
        """How the broker put it here, or None when a consumer parked it.

        The copy that a consumer parks has no `x-death`: where there is one, it came later than
        what our headers say.
        """
        return self.deaths[0] if self.deaths else None

    @property
    def reason(self) -> str:
        """The word to group by: the consumer's, or else the broker's."""
        if self.death:
            return self.death.reason
        return self._own("reason") or UNKNOWN

    @property
    def error(self) -> str:
        """What was wrong, in a sentence."""
        error = self._own("error")
        if not self.death:
            return error
        told = BROKER_REASONS.get(self.death.reason, self.death.reason)
        return f"{told}; before that: {error}" if error else told

    @property
    def error_class(self) -> str:
        """The class of the error."""
        return self._own("error-class")

    @property
    def attempts(self) -> int:
        """How often a consumer tried it; 0 when nobody has counted."""
        return _number(self.headers.get("skillupworks-attempts"))

    @property
    def first_failed_at(self) -> datetime | None:
        """When it failed for the first time."""
        return _time(self.headers.get("skillupworks-first-failed-at"))

    @property
    def parked_at(self) -> datetime | None:
        """When it came here, as far as that is known."""
        if self.death and self.death.time:
            return self.death.time
        failed = _time(self.headers.get("skillupworks-last-failed-at"))
        return failed or _time(self.properties.get("timestamp"))

    @property
    def queue(self) -> str | None:
        """The queue in which it failed; None when nothing says so."""
        if self.death:
            return self.death.queue or None
        return self._own("queue") or None

    @property
    def source(self) -> tuple[str, str]:
        """The exchange and routing key with which it was published at first."""
        return self._own("exchange"), self._own("routing-key")

    @property
    def replays(self) -> int:
        """How often it was replayed."""
        return _number(self.headers.get("skillupworks-replays"))

    @property
    def history(self) -> tuple[str, ...]:
        """What operators did with it, the oldest first."""
        lines = self.headers.get("skillupworks-history")
        return tuple(text_of(line) for line in lines) if isinstance(lines, list) else ()

    @property
    def trace_id(self) -> str | None:
        """The trace that it is part of."""
        found = TRACEPARENT.fullmatch(text_of(self.headers.get("traceparent")))
        return found[1] if found else None

    def _own(self, name: str) -> str:
        return text_of(self.headers.get(f"skillupworks-{name}"))


class DeadLetters(Protocol):
    """A queue of parked messages; belongs to one thread, and raises SkillUpWorksError."""

    @property
    def queue(self) -> str:
        """The queue's name."""

    @property
    def host(self) -> str:
        """The broker's host."""

    def count(self) -> int:
        """Return how many messages are in the queue and not in somebody's hands."""

    def pages(self) -> Iterator[list[Parked]]:
        """Yield the messages that are there now, in any order, some at a time.

        They stay in the queue unless removed, but nobody else sees them meanwhile. What comes
        into the queue later is not among them. The messages of a page can be removed until the
        next page is asked for.
        """

    def remove(self, message: Parked) -> None:
        """Take a message out of the queue for good."""

    def publish(self, queue: str, message: Parked) -> None:
        """Put a message into a queue; when this returns, the broker has it.

        Raises UnroutableError (no such queue), NotAcceptedError (it is full) or
        MessageTooLargeError, all of which leave everything as it was.
        """

    def wait(self, seconds: float) -> None:
        """Let time pass without losing the connection."""

    def close(self) -> None:
        """Give back what was not removed."""


def text_of(value: object) -> str:
    """Return a header's value as text; a publisher may have put anything there."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return str(value)


def _number(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _time(value: object) -> datetime | None:
    """Return the time in UTC; AMQP knows seconds and datetimes, our headers are RFC 3339 text."""
    try:
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        if isinstance(value, int) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        time = datetime.fromisoformat(text_of(value))
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
