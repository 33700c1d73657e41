"""The outbox relay: publishes what was committed, and forgets it only once it is confirmed."""

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from threading import Event, Lock, Thread
from time import monotonic
from typing import Protocol

import structlog

from skillupworks.errors import (
    BrokerRefusedError,
    NotAcceptedError,
    TransientError,
    UnconfirmedError,
)
from skillupworks.messaging.message import Outgoing
from skillupworks.messaging.publisher import Batch, PublishError
from skillupworks.reliability.outbox import Outbox, Waiting
from skillupworks.reliability.relay_report import RelayMetrics, say_published, say_stuck
from skillupworks.reliability.settler import Published, Settled, Settler
from skillupworks.runtime.backoff import Backoff
from skillupworks.runtime.database import Cursor, Database

__all__ = ["RELAY_CONNECTIONS", "BatchPublisher", "Relay"]

log = structlog.get_logger()

# one each for the batch that is sent, the one whose confirms are out, and the one that is deleted
RELAY_CONNECTIONS = 3
# rows of one transaction; a failure in the middle repeats at most so many messages
BATCH = 500
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


class BatchPublisher(Protocol):
    """What the relay needs of a Publisher."""

    @property
    def connected(self) -> bool:
        """Whether the connection was there when it was last used."""

    @property
    def host(self) -> str:
        """The broker host of the current or last connection."""

    def connect(self) -> None:
        """Connect unless connected."""

    def serve(self) -> None:
        """Answer heartbeats and notice a lost connection."""

    def send(self, messages: Sequence[Outgoing], /) -> Batch:
        """Send all and do not wait for their confirms."""

    def wait(self, batch: Batch, /) -> list[PublishError | None]:
        """Wait for a batch's confirms and return what became of each message."""

    def close(self) -> None:
        """Close the connection."""


@dataclass(frozen=True)
class _Sent:
    """A batch whose confirms are out, and the open transaction that has its rows locked."""

    transaction: ExitStack
    cursor: Cursor
    rows: Sequence[Waiting]
    batch: Batch
    began: float


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
        self._sent: _Sent | None = None
        self._settler = Settler(outbox, self._on_settled)
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
                self._abandon()
                self._fail(error)
                continue
            self._recover()
            if taken < BATCH:
                self._woken.wait(POLL_SECONDS)
                self._woken.clear()
        self._abandon()
        self._settler.close()
        self._publisher.close()

    def _publish_batch(self) -> int:
        """Send up to BATCH messages in order and return how many there were.

        The confirms of a full batch are waited for when the next one is sent, so that neither we
        nor the broker wait for the other.
        """
        self._publisher.connect()
        self._publisher.serve()
        self._metrics.connected.set(1)
        sent = self._send_batch()
        before, self._sent = self._sent, sent
        if before is not None:
            self._confirm(before)
        if sent is not None and len(sent.rows) == BATCH:
            return BATCH
        self._sent = None
        if sent is not None:
            self._confirm(sent)
        self._settler.wait()
        return 0 if sent is None else len(sent.rows)

    def _send_batch(self) -> _Sent | None:
        with ExitStack() as transaction:
            cursor = transaction.enter_context(self._database.transaction())
            rows = self._outbox.take(cursor, BATCH, retries=self._stuck > 0)
            if not rows:
                return None
            began = monotonic()
            batch = self._publisher.send([waiting.message for waiting in rows])
            return _Sent(transaction.pop_all(), cursor, rows, batch, began)

    def _confirm(self, sent: _Sent) -> None:
        """Wait for a batch's confirms and have it settled; raises what holds up all messages."""
        with sent.transaction as transaction:
            outcomes = self._publisher.wait(sent.batch)
            seconds = monotonic() - sent.began
            self._settler.wait()
            self._settler.submit(
                Published(transaction.pop_all(), sent.cursor, sent.rows, outcomes, seconds)
            )
        for outcome in outcomes:
            if isinstance(outcome, (NotAcceptedError, UnconfirmedError)):
                raise outcome

    def _abandon(self) -> None:
        """Settle what is under way; what is not confirmed is free to be taken again then."""
        sent, self._sent = self._sent, None
        if sent is not None:
            with suppress(TransientError):  # those messages are published again
                self._confirm(sent)
        with suppress(TransientError):
            self._settler.wait()

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
