"""Consumes one queue: keeps a connection up, hands deliveries to the worker, drains at a stop."""

from dataclasses import dataclass
from functools import partial
from random import sample
from threading import Event
from time import monotonic

import structlog

from skillupworks.errors import BrokerRefusedError, BrokerUnavailableError
from skillupworks.messaging.connection import CONNECTION_ERRORS, Broker, describe, unavailable
from skillupworks.messaging.message import Delivery
from skillupworks.messaging.metrics import ConsumerMetrics
from skillupworks.messaging.session import Session
from skillupworks.messaging.topology import QueueTopology, declare
from skillupworks.messaging.worker import Ticket, Worker
from skillupworks.runtime.backoff import Backoff
from skillupworks.runtime.notify import Notifier, Watchdog

__all__ = ["Consumer", "Declaration"]

log = structlog.get_logger()

# the message in hand may take this long at a stop; the unit's TimeoutStopSec must be longer
DRAIN_SECONDS = 25.0
# an attempt that takes longer is taken for hung: the watchdog is no longer fed
HANDLER_LIMIT_SECONDS = 300.0
# a connection that held this long was a good one: its loss is no part of a series
STABLE_SECONDS = 15.0
WATCHDOG_SLICE_SECONDS = 5.0


@dataclass(frozen=True)
class Declaration:
    """What to consume, how many messages may wait unacknowledged, and what to say when ready."""

    topology: QueueTopology
    prefetch: int
    greeting: str


class Consumer:
    """Runs the I/O loop in the thread that calls `run`; `stop` may be called from any thread.

    Logs one line per change of state and none per attempt.
    """

    def __init__(
        self,
        broker: Broker,
        declaration: Declaration,
        worker: Worker,
        metrics: ConsumerMetrics,
        notifier: Notifier,
    ) -> None:
        self._broker = broker
        self._declaration = declaration
        self._worker = worker
        self._metrics = metrics
        self._notifier = notifier
        self._watchdog = Watchdog(notifier, self._hung_worker)
        self._stopping = Event()
        self._session: Session | None = None
        self._broker_problem: str | None = "connecting"

    def broker_problem(self) -> str | None:
        """Return None while the broker delivers to us, otherwise what is in the way."""
        return self._broker_problem

    def stop(self) -> None:
        """Stop consuming, finish the message in hand, give the rest back; then `run` returns."""
        self._stopping.set()
        if session := self._session:
            session.stop_consuming()

    def run(self) -> None:
        """Consume until stopped.

        Raises TopologyError when the broker has a queue of another type, and the worker's own
        exception if that thread broke. Everything else is survived.
        """
        self._worker.start()
        self._notifier.status(f"connecting to {', '.join(self._broker.hosts)}")
        refused = Backoff(base=10, cap=60)
        lost = Backoff(base=0.5, cap=30)
        try:
            while not self._stopping.is_set():
                began = monotonic()
                try:
                    self._consume()
                except BrokerUnavailableError as error:
                    if monotonic() - began > STABLE_SECONDS:
                        lost.reset()
                        refused.reset()
                    self._report(error)
                    backoff = refused if isinstance(error, BrokerRefusedError) else lost
                    self._pause(backoff.next_pause())
        finally:
            self._end_worker()
        if self._worker.crash is not None:
            raise self._worker.crash

    def _consume(self) -> None:
        """Consume from the first host that lets us in, until stopped.

        Raises BrokerUnavailableError when none does, or when the connection is lost.
        """
        problem = BrokerUnavailableError("no host")
        # in random order, so that many consumers spread over the nodes of a cluster
        for host in sample(self._broker.hosts, len(self._broker.hosts)):
            self._feed_watchdog()
            try:
                session = self._open(host)
            except BrokerUnavailableError as error:
                problem = error
            else:
                self._serve(session)
                return
        raise problem

    def _open(self, host: str) -> Session:
        connection = self._broker.connect(host)
        try:
            channel = connection.channel()
            declare(channel, self._declaration.topology)
            channel.basic_qos(prefetch_count=self._declaration.prefetch)
            session = Session(connection, channel, host)
            session.start(self._declaration.topology.queue, partial(self._deliver, session))
        except BaseException as error:
            if connection.is_open:
                connection.close()
            if isinstance(error, CONNECTION_ERRORS):
                raise unavailable(error, host, self._broker.user) from error
            raise
        return session

    def _deliver(self, session: Session, delivery: Delivery, tag: int) -> None:
        self._metrics.received.inc()
        self._worker.submit(Ticket(delivery, tag, session))

    def _serve(self, session: Session) -> None:
        queue = self._declaration.topology.queue
        log.info(f"Connected to RabbitMQ at {session.host}")
        log.info(f"Listening on queue: {queue}")
        log.info(self._declaration.greeting)
        self._session = session
        self._broker_problem = None
        self._metrics.connected.set(1)
        if self._stopping.is_set():  # `stop` came when there was no session to tell
            session.stop_consuming()
        try:
            session.consume(each_second=partial(self._tick, session))
            if not self._stopping.is_set():
                raise BrokerUnavailableError(
                    f"RabbitMQ at {session.host} ended the delivery from queue '{queue}':"
                    " it was deleted, or has no leader"
                )
            self._drain(session)
        except CONNECTION_ERRORS as error:
            raise BrokerUnavailableError(
                f"Lost RabbitMQ at {session.host}: {describe(error)}"
            ) from error
        finally:
            self._session = None
            self._broker_problem = "not connected"
            self._metrics.connected.set(0)
            self._metrics.in_flight.set(0)
            session.close()

    def _drain(self, session: Session) -> None:
        """Let the worker finish the message in hand, and send its acknowledgement."""
        self._notifier.status("stopping: finishing the message in hand")
        self._worker.stop()
        deadline = monotonic() + DRAIN_SECONDS
        while not self._worker.done.is_set() and monotonic() < deadline:
            session.serve(seconds=0.1)
            self._feed_watchdog()
        session.serve(seconds=0)

    def _tick(self, session: Session) -> None:
        self._metrics.in_flight.set(session.in_flight)
        self._notifier.status(
            f"connected to {session.host}, {session.in_flight} in flight,"
            f" {self._worker.processed:,} processed"
        )
        self._feed_watchdog()
        if self._worker.done.is_set():  # it broke, and nothing more will be handled
            self.stop()

    def _report(self, error: BrokerUnavailableError) -> None:
        """Say what is wrong with the broker, once per change."""
        if self._stopping.is_set():
            return
        problem = str(error)
        self._notifier.status(f"not connected: {problem}")
        if problem != self._broker_problem:
            log.error(f"Error: {problem}; trying again until it works")
            self._broker_problem = problem
        self._metrics.reconnects.inc()

    def _pause(self, seconds: float) -> None:
        end = monotonic() + seconds
        while (left := end - monotonic()) > 0 and not self._worker.done.is_set():
            self._feed_watchdog()
            if self._stopping.wait(min(left, WATCHDOG_SLICE_SECONDS)):
                return
        if self._worker.done.is_set():
            self._stopping.set()

    def _end_worker(self) -> None:
        self._worker.stop()
        end = monotonic() + DRAIN_SECONDS
        while not self._worker.done.wait(WATCHDOG_SLICE_SECONDS) and monotonic() < end:
            self._feed_watchdog()

    def _hung_worker(self) -> str | None:
        if self._worker.busy_seconds() < HANDLER_LIMIT_SECONDS:
            return None
        return f"the handler has not ended for {HANDLER_LIMIT_SECONDS:.0f} s"

    def _feed_watchdog(self) -> None:
        if reason := self._watchdog.progress():
            log.critical(f"The watchdog is no longer fed: {reason}")
