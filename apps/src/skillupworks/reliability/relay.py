"""The outbox relay: publishes what was committed, and forgets it only once it is confirmed."""

from threading import Event, Thread
from time import monotonic

import sqlalchemy as sa
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from skillupworks.errors import BrokerRefusedError, TransientError
from skillupworks.messaging.message import Outgoing
from skillupworks.messaging.publisher import Publisher
from skillupworks.reliability.outbox import Outbox
from skillupworks.runtime.backoff import Backoff
from skillupworks.runtime.database import transaction

__all__ = ["Relay", "RelayMetrics"]

log = structlog.get_logger()

# rows of one transaction; a failure in the middle repeats at most so many messages
BATCH = 100
# rows of other processes, or of one that died between its commit and the wake-up, wait this long
POLL_SECONDS = 1.0
BACKLOG_SECONDS = 2.0
# publishing waits for the broker up to some seconds per message; beyond this the thread is hung
HUNG_SECONDS = 120.0
# wrong credentials do not right themselves within seconds, and each attempt fills the broker's log
REFUSED_SECONDS = 15.0


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
        self.oldest_seconds = Gauge(
            "skillupworks_outbox_oldest_age_seconds", "Age of the oldest one", registry=registry
        )
        self.connected = Gauge(
            "skillupworks_outbox_broker_connected", "1 while connected", registry=registry
        )


class Relay:
    """A thread that moves messages from the outbox to the broker, in order.

    Two relays on one outbox are safe: each works on the rows it has locked. A message may be
    published twice (when the process dies between confirm and commit), never not at all. Logs
    one line per change of state; pauses with jittered back-off, without a limit of attempts.
    """

    def __init__(
        self, engine: sa.Engine, outbox: Outbox, publisher: Publisher, metrics: RelayMetrics
    ) -> None:
        self._engine = engine
        self._outbox = outbox
        self._publisher = publisher
        self._metrics = metrics
        self._backoff = Backoff(base=0.5, cap=30)
        self._woken = Event()
        self._stopping = Event()
        self._problem: str | None = "connecting"
        self._progress = monotonic()
        self._backlog_due = 0.0
        self._waiting = 0
        self._thread = Thread(target=self._run, name="outbox-relay", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Say that a row was committed; thread-safe, cheap, never blocks."""
        self._woken.set()

    def stop(self) -> None:
        """Finish the message in hand and end; what is left waits in the outbox."""
        self._stopping.set()
        self._woken.set()
        self._thread.join(timeout=20)

    def problem(self) -> str | None:
        """Return None while messages get through, otherwise what is in the way."""
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
        return f"outbox {self._waiting:,} waiting, broker {broker}"

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._progress = monotonic()
            try:
                self._measure()
                published = self._publish_batch()
            except TransientError as error:
                self._fail(error)
                continue
            self._recover()
            if published < BATCH:
                self._woken.wait(POLL_SECONDS)
                self._woken.clear()
        self._publisher.close()

    def _publish_batch(self) -> int:
        """Publish up to BATCH messages in order and return how many; stop at the first failure."""
        self._publisher.connect()
        self._publisher.serve()
        self._metrics.connected.set(1)
        confirmed: list[int] = []
        problem: TransientError | None = None
        with transaction(self._engine) as connection:
            for row, message in self._outbox.take(connection, BATCH):
                try:
                    self._publish(message)
                except TransientError as error:
                    problem = error
                    break
                confirmed.append(row)
            if confirmed:
                self._outbox.remove(connection, confirmed)
        if problem is not None:
            raise problem
        return len(confirmed)

    def _publish(self, message: Outgoing) -> None:
        began = monotonic()
        self._publisher.publish(message)
        self._progress = monotonic()
        self._metrics.published.inc()
        log.info(
            f"Published {message.type} {message.message_id} to RabbitMQ exchange"
            f" {message.exchange}",
            message_id=message.message_id,
            outcome="confirmed",
            duration_ms=round((self._progress - began) * 1000, 1),
        )

    def _measure(self) -> None:
        """Keep the backlog's gauges fresh, also while the broker is away."""
        if monotonic() < self._backlog_due:
            return
        with transaction(self._engine) as connection:
            backlog = self._outbox.backlog(connection)
        self._waiting = backlog.messages
        self._metrics.depth.set(backlog.messages)
        self._metrics.oldest_seconds.set(backlog.oldest_seconds)
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
        self._stopping.wait(pause)

    def _recover(self) -> None:
        if self._problem is not None:
            self._problem = None
            log.info(f"Connected to RabbitMQ at {self._publisher.host}, the outbox is relayed")
        self._backoff.reset()
