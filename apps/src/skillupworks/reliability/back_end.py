"""The systems that take effects, and what is counted of each kind of effect."""

from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge

from skillupworks.reliability.effects import Effect, EffectTable
from skillupworks.runtime import trace
from skillupworks.runtime.logging import info_lines

__all__ = ["BackEnd", "EffectMetrics", "Lane", "LogBackEnd"]


class BackEnd(Protocol):
    """Takes the effects of one kind, and says so in the log; used by one thread."""

    @property
    def batch(self) -> int:
        """How many effects are taken in one transaction at most."""

    def deliver(self, effect: Effect) -> None:
        """Deliver an effect, perhaps for the second time: it has been done when this returns.

        PermanentError: it can never be done. BackEndUnavailableError: nothing can be done now, as
        the back end is away. Any other error: this one may work later.
        """

    def close(self) -> None:
        """Disconnect; the next delivery connects again."""


class LogBackEnd:
    """Stands in for a system that is not there: prints its line, and that is all."""

    batch = 500

    def __init__(self, line: str) -> None:
        self._lines = (line,)

    def deliver(self, effect: Effect) -> None:
        """Print the line."""
        info_lines(self._lines, order_id=effect.order_id, trace_id=trace.current_id())

    def close(self) -> None:
        """There is no connection."""


class EffectMetrics:
    """What the runners of a process count, by the kind of effect."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str) -> Counter:
            return Counter(f"skillupworks_effects_{name}", text, ["kind"], registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"skillupworks_effects_{name}", text, ["kind"], registry=registry)

        self.delivered = counter("delivered", "Effects that the back end has taken")
        self.retried = counter("retried", "Attempts that failed and are made again later")
        self.failed = counter("failed", "Effects given up, since no attempt can succeed")
        self.waiting = gauge("waiting", "Effects not delivered yet")
        self.given_up = gauge("given_up", "Effects in the database that were given up")
        self.oldest_seconds = gauge("oldest_age_seconds", "Age of the oldest one waiting")


class Lane:
    """The effects of one kind, on their way to one back end."""

    def __init__(
        self,
        kind: str,
        back_end: BackEnd,
        metrics: EffectMetrics,
        table: EffectTable,
    ) -> None:
        self.kind = kind
        self.table = table
        self.back_end = back_end
        self.delivered = metrics.delivered.labels(kind)
        self.retried = metrics.retried.labels(kind)
        self.failed = metrics.failed.labels(kind)
        self.waiting = metrics.waiting.labels(kind)
        self.given_up = metrics.given_up.labels(kind)
        self.oldest_seconds = metrics.oldest_seconds.labels(kind)
