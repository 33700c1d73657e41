"""The thread that runs the handler, so that heartbeats go on however long it takes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import monotonic

import structlog

from skillupworks.errors import PermanentError, TransientError
from skillupworks.messaging.message import Delivery, Outcome
from skillupworks.messaging.metrics import ConsumerMetrics
from skillupworks.messaging.parking import Parking
from skillupworks.messaging.session import Session
from skillupworks.runtime.backoff import Backoff

__all__ = ["Process", "Ticket", "Worker"]

log = structlog.get_logger()

# runs the handler in its transaction; the second argument is the number of the attempt, from 1
Process = Callable[[Delivery, int], Outcome]

PAUSE_BASE_SECONDS = 0.5
PAUSE_CAP_SECONDS = 15.0
# an idle worker looks after its parking connection this often
IDLE_SECONDS = 2.0


@dataclass(frozen=True)
class Ticket:
    """A delivery with what is needed to settle it."""

    delivery: Delivery
    tag: int
    session: Session


@dataclass
class _Attempts:
    count: int = 0
    first_failed_at: datetime | None = None
    last_problem: str = ""
    backoff: Backoff = field(default_factory=lambda: Backoff(PAUSE_BASE_SECONDS, PAUSE_CAP_SECONDS))


class Worker:
    """Takes one delivery after the other and acknowledges what was committed, and nothing else.

    A permanent error parks the message. Any other error is taken for one of the surroundings (the
    database is away): the delivery stays in hand, unacknowledged, and is tried again after a
    growing, jittered pause, until it works, its connection is lost or the service stops. The
    messages behind it wait meanwhile; other consumers of the queue are not affected.
    """

    def __init__(self, process: Process, parking: Parking, metrics: ConsumerMetrics) -> None:
        self._process = process
        self._parking = parking
        self._metrics = metrics
        self._tickets: SimpleQueue[Ticket | None] = SimpleQueue()
        self._stopping = False
        self._attempt_began: float | None = None
        self.processed = 0
        self._trouble: str | None = None
        self.crash: BaseException | None = None
        self.done = Event()
        self._thread = Thread(target=self._run, name="worker", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, ticket: Ticket) -> None:
        """Queue a delivery; the consumer's prefetch bounds how many there can be."""
        self._tickets.put(ticket)

    def stop(self) -> None:
        """Finish the attempt at work, leave everything else; `done` is set afterwards."""
        self._stopping = True
        self._tickets.put(None)

    def trouble(self) -> str | None:
        """Return why a message is kept and tried again, or None."""
        return self._trouble

    def busy_seconds(self) -> float:
        """Return for how long the present attempt has run; 0 between attempts."""
        began = self._attempt_began
        return 0.0 if began is None else monotonic() - began

    def _run(self) -> None:
        try:
            while not self._stopping:
                try:
                    ticket = self._tickets.get(timeout=IDLE_SECONDS)
                except Empty:
                    self._serve_parking()
                    continue
                if ticket is not None and not self._stopping and not ticket.session.over.is_set():
                    self._handle(ticket)
        except BaseException as error:  # noqa: BLE001 - reported by the consumer, which ends
            self.crash = error
        finally:
            self._parking.close()
            self.done.set()

    def _handle(self, ticket: Ticket) -> None:
        attempts = _Attempts()
        delivery = ticket.delivery
        with structlog.contextvars.bound_contextvars(
            message_id=delivery.message_id, redelivered=delivery.redelivered
        ):
            while True:
                attempts.count += 1
                with structlog.contextvars.bound_contextvars(attempt=attempts.count):
                    if self._attempt(delivery, attempts):
                        break
                if ticket.session.over.wait(attempts.backoff.next_pause()):
                    self._trouble = None
                    return
        self._trouble = None
        ticket.session.acknowledge(ticket.tag)

    def _attempt(self, delivery: Delivery, attempts: _Attempts) -> bool:
        """Return whether the delivery was brought to an end and can be acknowledged."""
        self._attempt_began = began = monotonic()
        try:
            self._count(self._process_or_park(delivery, attempts, began))
        except Exception as error:  # noqa: BLE001 - anything unexpected keeps the message
            self._metrics.failures.inc()
            self._report(error, delivery, attempts)
            return False
        finally:
            self._attempt_began = None
            self._metrics.handler_seconds.observe(monotonic() - began)
        return True

    def _process_or_park(self, delivery: Delivery, attempts: _Attempts, began: float) -> Outcome:
        try:
            return self._process(delivery, attempts.count)
        except PermanentError as error:
            first = attempts.first_failed_at or datetime.now(UTC)
            self._parking.park(delivery, error, attempts.count, first)
            log.error(
                f"Message {delivery.message_id or 'without id'} parked: {error}",
                outcome=str(Outcome.PARKED),
                reason=error.reason,
                duration_ms=round((monotonic() - began) * 1000, 1),
            )
            return Outcome.PARKED

    def _report(self, error: Exception, delivery: Delivery, attempts: _Attempts) -> None:
        """Log a failure when it is new for this message, and not on each attempt."""
        attempts.first_failed_at = attempts.first_failed_at or datetime.now(UTC)
        problem = str(error) or type(error).__name__
        self._trouble = problem
        if problem == attempts.last_problem:
            return
        attempts.last_problem = problem
        expected = isinstance(error, TransientError)
        name = delivery.message_id or "without id"
        log.error(
            f"Error: {problem}; message {name} is kept and tried again",
            outcome="retry",
            error=type(error).__name__,
            exc_info=None if expected else error,
        )

    def _count(self, outcome: Outcome) -> None:
        counters = {
            Outcome.PROCESSED: self._metrics.processed,
            Outcome.DUPLICATE: self._metrics.duplicates,
            Outcome.PARKED: self._metrics.parked,
        }
        counters[outcome].inc()
        self.processed += outcome is Outcome.PROCESSED

    def _serve_parking(self) -> None:
        try:
            self._parking.serve()
        except TransientError:
            return  # it connects again when there is something to park
