"""The outbox relay: publishes what was committed, and forgets it only once it is confirmed."""

from contextlib import suppress
from threading import Event, Lock, Thread
from time import monotonic

import structlog

from skillupworks.errors import BrokerRefusedError, TransientError
from skillupworks.reliability.outbox import Outbox
from skillupworks.reliability.pipeline import BATCH, BatchPublisher, Pipeline
from skillupworks.reliability.relay_report import RelayMetrics, say_published, say_stuck
from skillupworks.reliability.settler import Settled
from skillupworks.runtime.backoff import Backoff
from skillupworks.runtime.database import Database

__all__ = ["Relay"]

log = structlog.get_logger()

# rows of other processes, or of one that died between its commit and the wake-up, wait this long
POLL_SECONDS = 1.0
BACKLOG_SECONDS = 2.0
# publishing waits for the broker up to some seconds per batch; beyond this the thread is hung
HUNG_SECONDS = 120.0
PAUSE_BASE_SECONDS = 0.5
PAUSE_CAP_SECONDS = 5.0
# wrong credentials do not right themselves within seconds, and each attempt fills the broker's log
REFUSED_SECONDS = 15.0
# a stop waits for the confirms of the batch in hand
STOP_SECONDS = 20.0


class Relay:
    """A thread that moves messages from the outbox to the broker, in order.

    Two relays on one outbox are safe: each works on the rows it has locked. A message may be
    published twice (when the process dies between confirm and commit), never not at all. A message
    that no queue takes, or that is too large, stays behind and is tried again later, and those
    after it go on; anything else that fails holds up all, with jittered back-off and without a
    limit of attempts. Logs one line per change of state.

    The outbox is `full` at `limit` messages: who adds to it may then refuse to.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        publisher: BatchPublisher,
        metrics: RelayMetrics,
        *,
        limit: int,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._publisher = publisher
        self._metrics = metrics
        self._limit = limit
        self._backoff = Backoff(PAUSE_BASE_SECONDS, PAUSE_CAP_SECONDS)
        self._woken = Event()
        self._stopping = Event()
        self._problem: str | None = "connecting"
        self._progress = monotonic()
        self._backlog_due = 0.0
        self._counting = Lock()
        self._waiting = 0
        self._stuck = 0
        self._pipeline = Pipeline(database, outbox, publisher, self._on_settled)
        self._thread = Thread(target=self._run, name="outbox-relay", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Say that a row was committed; thread-safe, cheap, never blocks for long."""
        with self._counting:
            self._waiting += 1
        self._woken.set()

    def stop(self) -> None:
        """Finish the batch in hand and end; what is left waits in the outbox."""
        self._stopping.set()
        self._woken.set()
        self._thread.join(timeout=STOP_SECONDS)

    def full(self) -> bool:
        """Say whether as many messages wait as may; cheap."""
        return self._waiting >= self._limit

    def problem(self) -> str | None:
        """Return None while messages get through, otherwise what is in the way."""
        if self._problem is None and self._stuck:
            return f"{self._stuck:,} messages in the outbox cannot be published"
        return self._problem

    def hung(self) -> str | None:
        """Return what hangs if the thread has died or made no progress, otherwise None."""
        if not self._thread.is_alive():
            return "the outbox relay has ended"
        if monotonic() - self._progress > HUNG_SECONDS:
            return f"the outbox relay has made no progress for {HUNG_SECONDS:.0f} s"
        return None

    def status(self) -> str:
        """Return the relay's part of the service's status line."""
        broker = "connected" if self._publisher.connected else "away"
        stuck = f" ({self._stuck:,} stuck)" if self._stuck else ""
        return f"outbox {self._waiting:,} waiting{stuck}, broker {broker}"

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._progress = monotonic()
            try:
                self._measure()
                taken = self._publish_batch()
            except TransientError as error:
                self._pipeline.drain()
                self._fail(error)
                continue
            self._recover()
            if taken < BATCH:  # there are no more
                self._woken.wait(POLL_SECONDS)
                self._woken.clear()
        self._pipeline.close()
        self._publisher.close()

    def _publish_batch(self) -> int:
        self._publisher.connect()
        self._publisher.serve()
        self._metrics.connected.set(1)
        return self._pipeline.advance(retries=self._stuck > 0)

    def _on_settled(self, settled: Settled) -> None:
        """Count and log what became of a batch; called by the settler's thread."""
        with self._counting:
            self._waiting = max(0, self._waiting - len(settled.confirmed))
        stuck = settled.stuck.values()
        # measured later; until then it must be known that there is something to try again
        self._stuck += sum(not waiting.attempts for rows in stuck for waiting in rows)
        self._metrics.published.inc(len(settled.confirmed))
        self._metrics.failures.inc(sum(map(len, stuck)))
        say_published(settled.confirmed, self._publisher.host, settled.seconds)
        say_stuck(settled.stuck)

    def _measure(self) -> None:
        """Keep the backlog's gauges fresh, also while the broker is away."""
        if monotonic() < self._backlog_due:
            return
        with self._database.transaction() as cursor:
            backlog = self._outbox.backlog(cursor)
        with self._counting:
            self._waiting = backlog.messages
        self._stuck = backlog.stuck
        self._metrics.measured(backlog)
        self._backlog_due = monotonic() + BACKLOG_SECONDS
        self._pipeline.begin_again()

    def _fail(self, error: TransientError) -> None:
        """Say what is wrong, once per change, and pause."""
        self._metrics.failures.inc()
        self._metrics.connected.set(int(self._publisher.connected))
        problem = str(error)
        if problem != self._problem:
            self._problem = problem
            log.error(f"Error: {problem}; the outbox keeps the messages and tries again")
        pause = self._backoff.next_pause()
        if isinstance(error, BrokerRefusedError):
            pause = max(pause, REFUSED_SECONDS)
        self._pause(pause)

    def _pause(self, seconds: float) -> None:
        """Wait unless the relay is stopped, and go on measuring meanwhile."""
        until = monotonic() + seconds
        while (left := until - monotonic()) > 0:
            if self._stopping.wait(min(left, BACKLOG_SECONDS)):
                return
            with suppress(TransientError):  # the next attempt says so
                self._measure()

    def _recover(self) -> None:
        if self._problem is not None:
            self._problem = None
            log.info(f"Connected to RabbitMQ at {self._publisher.host}, the outbox is relayed")
        self._backoff.reset()
