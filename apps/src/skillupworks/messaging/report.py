"""Says what became of messages: one log event each, and the counters."""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import structlog

from skillupworks.errors import SkillUpWorksError
from skillupworks.messaging.failures import Failure
from skillupworks.messaging.message import Delivery, Outcome, Work
from skillupworks.messaging.metrics import ConsumerMetrics
from skillupworks.runtime.trace import trace_id

__all__ = ["Report"]

log = structlog.get_logger()

M = TypeVar("M")

# a message with thousands of wrong fields has as many problems
PROBLEM_CHARACTERS = 1000


class Report(Generic[M]):
    """The log events and counters of one worker; `announce` is whether success is an event."""

    def __init__(
        self,
        facts: Callable[[M], Mapping[str, str]],
        metrics: ConsumerMetrics,
        *,
        announce: bool,
    ) -> None:
        self._facts = facts
        self._metrics = metrics
        self._announce = announce

    def done(self, works: Sequence[Work[M]], outcomes: Sequence[Outcome], seconds: float) -> None:
        """Report messages whose effect is there; `seconds` is for all of them together.

        That a message is a duplicate is told by the process, which has found that out. Never
        raises: what is done must not be done again because of a word about it.
        """
        duplicates = outcomes.count(Outcome.DUPLICATE)
        self._metrics.duplicates.inc(duplicates)
        self._metrics.processed.inc(len(works) - duplicates)
        if not self._announce:
            return
        duration_ms = round(seconds / len(works) * 1000, 1)
        for work, outcome in zip(works, outcomes, strict=True):
            if outcome is Outcome.PROCESSED:
                try:
                    self._announce_processed(work, duration_ms)
                except Exception:
                    log.exception(f"Cannot report message {_name(work.delivery)}")

    def _announce_processed(self, work: Work[M], duration_ms: float) -> None:
        facts = {**_origin(work.delivery), **self._facts(work.message)}
        log.info(
            f"Processed message {_name(work.delivery)}",
            outcome=str(Outcome.PROCESSED),
            attempt=work.attempt,
            duration_ms=duration_ms,
            **facts,
        )

    def put_aside(self, failure: Failure, outcome: Outcome, delay: int | None) -> None:
        """Report a message that was parked, or that waits `delay` seconds for its next attempt."""
        error = failure.error
        problem = (str(error) or type(error).__name__)[:PROBLEM_CHARACTERS]
        name = _name(failure.delivery)
        if outcome is Outcome.PARKED:
            self._metrics.parked.inc()
            text = f"Message {name} parked: {problem}"
        else:
            self._metrics.retried.inc()
            text = f"Error: {problem}; message {name} is tried again in {delay} s"
        self._metrics.failures.inc()
        expected = isinstance(error, SkillUpWorksError)
        log.error(
            text,
            outcome=str(outcome),
            attempt=failure.attempt,
            reason=failure.reason,
            error=type(error).__name__,
            exc_info=None if expected else error,
            **_origin(failure.delivery),
        )

    def held(self, problem: str, messages: int) -> None:
        """Report an outage, once: the messages are kept in hand until it is over."""
        self._metrics.failures.inc()
        count = "1 message is" if messages == 1 else f"{messages} messages are"
        log.error(f"Error: {problem}; {count} kept and tried again", outcome="held")

    def surprise(self, error: Exception, messages: int) -> None:
        """Report an unexpected error of a batch, whose messages are tried one by one now."""
        log.warning(
            f"A batch of {messages} messages failed, each is tried alone: {error}",
            error=type(error).__name__,
            exc_info=error,
        )


def _name(delivery: Delivery) -> str:
    return delivery.message_id or "without id"


def _origin(delivery: Delivery) -> dict[str, object]:
    facts: dict[str, object] = {
        "message_id": delivery.message_id,
        "redelivered": delivery.redelivered,
    }
    if traceparent := delivery.headers.get("traceparent"):
        facts["trace_id"] = trace_id(str(traceparent))
    return facts
