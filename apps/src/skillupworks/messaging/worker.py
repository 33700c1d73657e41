"""A thread that processes deliveries in batches, and settles what was brought to an end."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic
from typing import Generic, TypeVar

from skillupworks.errors import PermanentError, SkillUpWorksError, StoreNotReadyError
from skillupworks.messaging.declaration import Declaration
from skillupworks.messaging.failures import Failure, attempt_of
from skillupworks.messaging.mailbox import Mailbox
from skillupworks.messaging.message import Outcome, Work
from skillupworks.messaging.metrics import ConsumerMetrics
from skillupworks.messaging.report import Report
from skillupworks.messaging.session import Ticket
from skillupworks.messaging.sidetrack import Sidetrack
from skillupworks.runtime.backoff import Backoff

__all__ = ["Worker"]

M = TypeVar("M")

PAUSE_BASE_SECONDS = 0.5
PAUSE_CAP_SECONDS = 5.0
# an idle worker looks after its publishing connection this often
IDLE_SECONDS = 2.0


class _GivenUpError(Exception):
    """The session is over: the broker has the messages again."""


class Worker(Generic[M]):
    """Takes what is in the mailbox, and acknowledges what was committed, and nothing else.

    A batch that fails is done message by message, so that one bad message fails alone. What fails
    is put aside for a later attempt or parked, and acknowledged once the broker has confirmed that
    copy. While something that all messages need is away (the database, the broker), they are kept
    in hand, unacknowledged, and tried again after growing, jittered pauses.
    """

    def __init__(
        self,
        declaration: Declaration[M],
        mailbox: Mailbox,
        sidetrack: Sidetrack,
        metrics: ConsumerMetrics,
        ended: Callable[[], None],
    ) -> None:
        self._declaration = declaration
        self._mailbox = mailbox
        self._sidetrack = sidetrack
        self._metrics = metrics
        self._ended = ended
        self._report = Report(declaration.facts, metrics, announce=declaration.announce)
        self._trouble: str | None = None
        self._began: float | None = None
        self.processed = 0
        self.attempts = 0
        self.crash: BaseException | None = None
        self.done = Event()
        self._thread = Thread(target=self._run, name="worker", daemon=True)

    def start(self) -> None:
        """Start the thread; it ends when the mailbox is closed and empty."""
        self._thread.start()

    def trouble(self) -> str | None:
        """Return why messages are kept and tried again, or None."""
        return self._trouble

    def busy_seconds(self) -> float:
        """Return for how long the present attempt has run; 0 between attempts."""
        began = self._began
        return 0.0 if began is None else monotonic() - began

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - reported by the consumer, which ends
            self.crash = error
        finally:
            self.done.set()
            self._ended()

    def _work(self) -> None:
        """Handle what comes until the mailbox is closed and empty."""
        try:
            served = monotonic()
            while (tickets := self._mailbox.take(self._declaration.batch, IDLE_SECONDS)) != []:
                if tickets:
                    self._handle(tickets)
                if monotonic() - served >= IDLE_SECONDS:
                    self._sidetrack.serve()
                    served = monotonic()
        finally:
            self._sidetrack.close()

    def _handle(self, tickets: Sequence[Ticket]) -> None:
        """Bring deliveries to an end, or leave them when the broker has them again."""
        self._metrics.received.inc(len(tickets))
        try:
            with self._attempt():
                works, failures = self._read(tickets)
            if works and not self._process_together(works):
                for ticket, work in works:
                    if failure := self._process_alone(ticket, work):
                        failures.append((ticket, failure))
            if failures:
                self._put_aside(failures)
        except _GivenUpError:
            self._trouble = None

    def _read(
        self, tickets: Sequence[Ticket]
    ) -> tuple[list[tuple[Ticket, Work[M]]], list[tuple[Ticket, Failure]]]:
        """Return what can be processed, and what cannot be read."""
        works: list[tuple[Ticket, Work[M]]] = []
        failures: list[tuple[Ticket, Failure]] = []
        read, native = self._declaration.read, tickets[0].session.native_retry
        for ticket in tickets:
            delivery = ticket.delivery
            attempt = attempt_of(delivery, native_retry=native)
            try:
                works.append((ticket, Work(read(delivery), delivery, attempt)))
            except Exception as error:  # noqa: BLE001 - it fails alone, whatever it is
                failures.append((ticket, Failure(delivery, error, attempt)))
        return works, failures

    def _process_together(self, works: Sequence[tuple[Ticket, Work[M]]]) -> bool:
        """Process a batch for as long as it takes; return False if it has to be done one by one."""
        pauses = Backoff(PAUSE_BASE_SECONDS, PAUSE_CAP_SECONDS)
        while len(works) > 1:
            try:
                self._process(works)
            except Exception as error:  # noqa: BLE001 - each message says for itself what is wrong
                problem = self._outage(error)
                if problem is None:
                    if not isinstance(error, SkillUpWorksError):
                        self._report.surprise(error, len(works))
                    return False
                self._hold(problem, pauses, [ticket for ticket, _ in works])
            else:
                return True
        return False

    def _process_alone(self, ticket: Ticket, work: Work[M]) -> Failure | None:
        """Process one message for as long as it takes; return the failure that is its own."""
        pauses = Backoff(PAUSE_BASE_SECONDS, PAUSE_CAP_SECONDS)
        while True:
            if ticket.session.over.is_set():  # while those before it were done
                raise _GivenUpError
            try:
                self._process([(ticket, work)])
            except PermanentError as error:
                return Failure(work.delivery, error, work.attempt)
            except Exception as error:  # noqa: BLE001 - whatever it is, the message is kept
                problem = self._outage(error)
                if problem is None:
                    return Failure(work.delivery, error, work.attempt)
                self._hold(problem, pauses, [ticket])
            else:
                return None

    def _outage(self, error: Exception) -> str | None:
        """Return what all messages lack, or None when the error is the fault of one."""
        if isinstance(error, StoreNotReadyError):
            return str(error)
        return self._declaration.process.check()

    def _process(self, works: Sequence[tuple[Ticket, Work[M]]]) -> None:
        """Process, acknowledge and report; raises what the process raises."""
        began = monotonic()
        batch = [work for _, work in works]
        try:
            with self._attempt():
                outcomes = self._declaration.process(batch)
        finally:
            seconds = monotonic() - began
            self._metrics.handler_seconds.observe(seconds)
        if len(outcomes) != len(batch):
            raise RuntimeError(f"{len(outcomes)} outcomes for {len(batch)} messages")
        self._trouble = None
        works[0][0].session.acknowledge([ticket.tag for ticket, _ in works])
        self.processed += outcomes.count(Outcome.PROCESSED)
        self._report.done(batch, outcomes, seconds)

    def _put_aside(self, failures: list[tuple[Ticket, Failure]]) -> None:
        """Bring failed messages out of the way of the others, for as long as it takes."""
        pauses = Backoff(PAUSE_BASE_SECONDS, PAUSE_CAP_SECONDS)
        while failures:
            with self._attempt():
                failures, problem = self._sidetrack.put(failures, self._report)
            if problem is not None:
                self._hold(problem, pauses, [ticket for ticket, _ in failures])
        self._trouble = None

    @contextmanager
    def _attempt(self) -> Iterator[None]:
        """Say for how long the block has run: it may hang."""
        self._began = monotonic()
        self.attempts += 1
        try:
            yield
        finally:
            self._began = None

    def _hold(self, problem: str, pauses: Backoff, tickets: Sequence[Ticket]) -> None:
        """Keep messages in hand for a pause; _GivenUpError when the broker has them again."""
        if problem != self._trouble:
            self._trouble = problem
            self._report.held(problem, len(tickets))
        if tickets[0].session.over.wait(pauses.next_pause()):
            raise _GivenUpError
