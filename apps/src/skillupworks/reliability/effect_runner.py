"""The thread that delivers effects, until their back ends have taken them."""

import random
from collections.abc import Sequence
from threading import Event, Thread
from time import monotonic

import structlog

from skillupworks.errors import BackEndUnavailableError, PermanentError, TransientError
from skillupworks.reliability.back_end import Lane
from skillupworks.reliability.effects import Effect
from skillupworks.runtime import trace
from skillupworks.runtime.backoff import Backoff
from skillupworks.runtime.database import Cursor, Database

__all__ = ["EffectRunner"]

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


class EffectRunner:
    """Delivers what is due, in order, each in a transaction that also deletes it.

    A runner of several lanes takes them in turn. Two runners of a kind are safe: each works on the
    rows it has locked. An effect may be delivered twice (when the process dies before its commit),
    never not at all. While a back end is away all pause, and nothing but the effect that found
    out is charged an attempt. Logs one line per change of state.
    """

    def __init__(self, lanes: Sequence[Lane], database: Database) -> None:
        kinds = [lane.kind for lane in lanes]
        self.name = " and ".join(kinds)
        self._lanes = lanes
        self._database = database
        self._outage = Backoff(OUTAGE_BASE_SECONDS, OUTAGE_CAP_SECONDS)
        self._woken = Event()
        self._stopping = Event()
        self._problem: str | None = None
        # whether the problem is the back end's: that it is over shows by a delivery only
        self._away = False
        self._measure_due = 0.0
        self._thread = Thread(target=self._run, name=f"effects-{'-'.join(kinds)}", daemon=True)

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
                results = [self._deliver_batch(lane) for lane in self._lanes]
            except Exception as error:  # noqa: BLE001 - whatever it is, the effects are kept
                self._fail(error)
                continue
            if not self._away or any(answered for _, answered in results):
                self._recover()
            if not any(more for more, _ in results):
                self._wait()
        for lane in self._lanes:
            lane.back_end.close()

    def _deliver_batch(self, lane: Lane) -> tuple[bool, bool]:
        """Deliver a batch of what is due; return whether there is more, and an answer came."""
        unavailable: BackEndUnavailableError | None = None
        answered = False
        delivered: list[Effect] = []
        began = monotonic()
        with self._database.transaction() as cursor:
            effects = lane.table.take(cursor, lane.back_end.batch)
            for effect in effects:
                if self._stopping.is_set() or monotonic() - began > TRANSACTION_SECONDS:
                    break
                try:
                    with trace.traced(trace.accept(effect.traceparent)):
                        if self._deliver(lane, cursor, effect):
                            delivered.append(effect)
                        answered = True
                except BackEndUnavailableError as error:
                    unavailable = error
                    break
            lane.table.remove(cursor, delivered)
        lane.delivered.inc(len(delivered))
        if unavailable is not None:
            raise unavailable
        return len(effects) >= lane.back_end.batch, answered

    def _deliver(self, lane: Lane, cursor: Cursor, effect: Effect) -> bool:
        """Deliver an effect, or write down why it could not be."""
        try:
            lane.back_end.deliver(effect)
        except PermanentError as error:
            lane.table.give_up(cursor, effect, str(error))
            lane.failed.inc()
            log.error(
                f"The {lane.kind} of order {effect.order_id} is given up: {error}",
                order_id=effect.order_id,
                outcome="given up",
                attempt=effect.attempts + 1,
                reason=error.reason,
            )
            return False
        except Exception as error:
            self._put_off(lane, cursor, effect, error)
            if isinstance(error, BackEndUnavailableError):
                raise
            return False
        return True

    def _put_off(self, lane: Lane, cursor: Cursor, effect: Effect, error: Exception) -> None:
        ceiling = min(RETRY_CAP_SECONDS, RETRY_BASE_SECONDS * 2 ** min(effect.attempts, 32))
        problem = str(error) or type(error).__name__
        lane.table.put_off(cursor, effect, problem, random.uniform(0, ceiling))  # noqa: S311
        lane.retried.inc()
        # a back end that is away is said once for all of its effects
        if not effect.attempts and not isinstance(error, BackEndUnavailableError):
            log.error(
                f"Error: {problem}; the {lane.kind} of order {effect.order_id} is tried again",
                order_id=effect.order_id,
                outcome="retried",
                attempt=effect.attempts + 1,
                exc_info=None if isinstance(error, TransientError) else error,
            )

    def _measure(self) -> None:
        """Keep the gauges fresh, also while the back end is away."""
        if monotonic() < self._measure_due:
            return
        for lane in self._lanes:
            with self._database.transaction() as cursor:
                backlog = lane.table.backlog(cursor)
            lane.waiting.set(backlog.waiting)
            lane.given_up.set(backlog.given_up)
            lane.oldest_seconds.set(backlog.oldest_seconds)
        self._measure_due = monotonic() + BACKLOG_SECONDS

    def _wait(self) -> None:
        """Wait for the next effect, and for those that come right behind it."""
        if self._woken.wait(POLL_SECONDS):
            self._stopping.wait(GATHER_SECONDS)
        self._woken.clear()

    def _fail(self, error: Exception) -> None:
        """Say what is wrong, once per change, and pause."""
        problem = str(error) or type(error).__name__
        self._away = isinstance(error, BackEndUnavailableError)
        if problem != self._problem:
            self._problem = problem
            log.error(
                f"Error: {problem}; {self.name} effects are kept and tried again",
                exc_info=None if isinstance(error, TransientError) else error,
            )
        self._stopping.wait(self._outage.next_pause())

    def _recover(self) -> None:
        if self._problem is not None:
            self._problem, self._away = None, False
            log.info(f"The {self.name} effects are delivered again")
        self._outage.reset()
