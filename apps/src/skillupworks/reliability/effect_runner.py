"""The thread that delivers the effects of one kind, until their back end has taken them."""

import random
from threading import Event, Thread
from time import monotonic
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from skillupworks.errors import BackEndUnavailableError, PermanentError, TransientError
from skillupworks.reliability.effects import Effect, EffectTable
from skillupworks.runtime import trace
from skillupworks.runtime.backoff import Backoff
from skillupworks.runtime.database import Cursor, Database
from skillupworks.runtime.logging import info_lines

__all__ = ["BackEnd", "EffectMetrics", "EffectRunner", "LogBackEnd"]

log = structlog.get_logger()

# rows of other processes, and those put off, wait this long after they are due
POLL_SECONDS = 1.0
# Effects that come one after the other are taken together: nobody waits for them, and a
# transaction for each would take as much of the database as the orders themselves.
GATHER_SECONDS = 0.05
# what was delivered is committed at least this often
TRANSACTION_SECONDS = 5.0
BACKLOG_SECONDS = 5.0
# the pauses of one effect, and those of all while the back end does not answer
RETRY_BASE_SECONDS = 2.0
RETRY_CAP_SECONDS = 300.0
OUTAGE_BASE_SECONDS = 0.5
OUTAGE_CAP_SECONDS = 30.0
# a stop does not wait for a slow back end: what is not committed is delivered again
STOP_SECONDS = 5.0


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


class EffectRunner:
    """Delivers what is due, in order, each in a transaction that also deletes it.

    Two runners of a kind are safe: each works on the rows it has locked. An effect may be
    delivered twice (when the process dies before its commit), never not at all. While the back end
    is away all pause, and nothing but the effect that found out is charged an attempt. Logs one
    line per change of state.
    """

    def __init__(
        self, kind: str, back_end: BackEnd, database: Database, metrics: EffectMetrics
    ) -> None:
        self._kind = kind
        self._table = EffectTable(kind)
        self._back_end = back_end
        self._database = database
        self._delivered = metrics.delivered.labels(kind)
        self._retried = metrics.retried.labels(kind)
        self._failed = metrics.failed.labels(kind)
        self._waiting = metrics.waiting.labels(kind)
        self._given_up = metrics.given_up.labels(kind)
        self._oldest_seconds = metrics.oldest_seconds.labels(kind)
        self._outage = Backoff(OUTAGE_BASE_SECONDS, OUTAGE_CAP_SECONDS)
        self._woken = Event()
        self._stopping = Event()
        self._problem: str | None = None
        # whether the problem is the back end's: that it is over shows by a delivery only
        self._away = False
        self._measure_due = 0.0
        # whether this process has just recorded effects of this kind
        self._recorded = False
        self._thread = Thread(target=self._run, name=f"effects-{kind}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Say that an effect was committed; thread-safe, cheap, never blocks."""
        self._woken.set()

    def stop(self) -> None:
        """End after the effect in hand; what is left waits in the table."""
        self._stopping.set()
        self._woken.set()
        self._thread.join(timeout=STOP_SECONDS)

    def problem(self) -> str | None:
        """Return None while effects get through, otherwise what is in the way."""
        return self._problem

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._measure()
                taken, answered = self._deliver_batch()
            except Exception as error:  # noqa: BLE001 - whatever it is, the effects are kept
                self._fail(error)
                continue
            if answered or not self._away:
                self._recover()
            if taken < self._back_end.batch:
                self._recorded = self._wait()
        self._back_end.close()

    def _deliver_batch(self) -> tuple[int, bool]:
        """Deliver a batch of what is due; return its size, and whether the back end answered."""
        unavailable: BackEndUnavailableError | None = None
        answered = False
        delivered: list[Effect] = []
        began = monotonic()
        with self._database.transaction() as cursor:
            effects = self._table.take(cursor, self._back_end.batch, own=self._recorded)
            for effect in effects:
                if self._stopping.is_set() or monotonic() - began > TRANSACTION_SECONDS:
                    break
                try:
                    with trace.traced(trace.accept(effect.traceparent)):
                        if self._deliver(cursor, effect):
                            delivered.append(effect)
                        answered = True
                except BackEndUnavailableError as error:
                    unavailable = error
                    break
            self._table.remove(cursor, delivered)
        self._delivered.inc(len(delivered))
        if unavailable is not None:
            raise unavailable
        return len(effects), answered

    def _deliver(self, cursor: Cursor, effect: Effect) -> bool:
        """Deliver an effect, or write down why it could not be."""
        try:
            self._back_end.deliver(effect)
        except PermanentError as error:
            self._table.give_up(cursor, effect, str(error))
            self._failed.inc()
            log.error(
                f"The {self._kind} of order {effect.order_id} is given up: {error}",
                order_id=effect.order_id,
                outcome="given up",
                attempt=effect.attempts + 1,
                reason=error.reason,
            )
            return False
        except Exception as error:
            self._put_off(cursor, effect, error)
            if isinstance(error, BackEndUnavailableError):
                raise
            return False
        return True

    def _put_off(self, cursor: Cursor, effect: Effect, error: Exception) -> None:
        ceiling = min(RETRY_CAP_SECONDS, RETRY_BASE_SECONDS * 2 ** min(effect.attempts, 32))
        problem = str(error) or type(error).__name__
        self._table.put_off(cursor, effect, problem, random.uniform(0, ceiling))  # noqa: S311
        self._retried.inc()
        # a back end that is away is said once for all of its effects
        if not effect.attempts and not isinstance(error, BackEndUnavailableError):
            log.error(
                f"Error: {problem}; the {self._kind} of order {effect.order_id} is tried again",
                order_id=effect.order_id,
                outcome="retried",
                attempt=effect.attempts + 1,
                exc_info=None if isinstance(error, TransientError) else error,
            )

    def _measure(self) -> None:
        """Keep the gauges fresh, also while the back end is away."""
        if monotonic() < self._measure_due:
            return
        with self._database.transaction() as cursor:
            backlog = self._table.backlog(cursor)
        self._waiting.set(backlog.waiting)
        self._given_up.set(backlog.given_up)
        self._oldest_seconds.set(backlog.oldest_seconds)
        self._measure_due = monotonic() + BACKLOG_SECONDS

    def _wait(self) -> bool:
        """Wait for the next effect, and those right behind it; return whether one was recorded."""
        if recorded := self._woken.wait(POLL_SECONDS):
            self._stopping.wait(GATHER_SECONDS)
        self._woken.clear()
        return recorded

    def _fail(self, error: Exception) -> None:
        """Say what is wrong, once per change, and pause."""
        problem = str(error) or type(error).__name__
        self._away = isinstance(error, BackEndUnavailableError)
        if problem != self._problem:
            self._problem = problem
            log.error(
                f"Error: {problem}; {self._kind} effects are kept and tried again",
                exc_info=None if isinstance(error, TransientError) else error,
            )
        self._stopping.wait(self._outage.next_pause())

    def _recover(self) -> None:
        if self._problem is not None:
            self._problem, self._away = None, False
            log.info(f"The {self._kind} effects are delivered again")
        self._outage.reset()
