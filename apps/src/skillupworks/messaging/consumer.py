"""Consumes one queue: keeps a connection up, hands deliveries to the workers, drains at a stop."""

from functools import partial
from random import sample
from threading import Event
from time import monotonic
from typing import Any

import structlog

from skillupworks.errors import BrokerRefusedError, BrokerUnavailableError
from skillupworks.messaging.connection import CONNECTION_ERRORS, Broker, describe, unavailable
from skillupworks.messaging.crew import Crew
from skillupworks.messaging.declaration import Declaration
from skillupworks.messaging.hosts import first_open
from skillupworks.messaging.link import Link
from skillupworks.messaging.metrics import ConsumerMetrics
from skillupworks.messaging.session import Session
from skillupworks.messaging.topology import declare, delays_retries
from skillupworks.runtime.backoff import Backoff
from skillupworks.runtime.notify import Notifier, Watchdog

__all__ = ["Consumer"]

log = structlog.get_logger()

# what is in hand may take this long at a stop; the unit's TimeoutStopSec (30 s) must be longer, by
# what closing a connection takes that is no longer there
DRAIN_SECONDS = 20.0
# a connection that held this long was a good one: its loss is no part of a series
STABLE_SECONDS = 15.0
WATCHDOG_SLICE_SECONDS = 5.0
# without a connection, nothing that a worker still does counts
GRACE_SECONDS = 1.0


class Consumer:
    """Runs the I/O loop in the thread that calls `run`; `stop` may be called from any thread.

    Heartbeats go on however long a handler takes, since workers run it. Logs one line per change
    of state and none per attempt to connect.
    """

    def __init__(
        self,
        broker: Broker,
        declaration: Declaration[Any],
        metrics: ConsumerMetrics,
        notifier: Notifier,
    ) -> None:
        self._broker = broker
        self._declaration = declaration
        self._metrics = metrics
        self._notifier = notifier
        self._crew = Crew(broker, declaration, metrics, self._on_worker_ended)
        self._watchdog = Watchdog(notifier, lambda: self._crew.hung(self._session))
        self._hung: str | None = None
        self._stopping = Event()
        self._deadline = 0.0
        self._session: Session | None = None
        self._broker_problem: str | None = "connecting"

    def broker_problem(self) -> str | None:
        """Return None while the broker delivers to us, otherwise what is in the way."""
        return self._broker_problem

    def trouble(self) -> str | None:
        """Return why messages are kept and tried again, or None."""
        return self._crew.trouble()

    def stop(self) -> None:
        """Take no more messages, finish those that are here; then `run` returns.

        Called again, it gives back those that are not finished.
        """
        if not self._stopping.is_set():
            self._begin_to_stop()
            return
        self._deadline = monotonic()
        if session := self._session:
            self._give_up(session)

    def run(self) -> None:
        """Consume until stopped.

        Raises TopologyError when the broker has a queue of another type, and the worker's own
        exception if one of them broke. Everything else is survived.
        """
        self._crew.start()
        self._notifier.status(f"connecting to {', '.join(self._broker.hosts)}")
        refused = Backoff(base=10, cap=60)
        # a few seconds are enough to spread out who comes back; more would only prolong the outage
        lost = Backoff(base=0.5, cap=5)
        try:
            while not self._stopping.is_set():
                try:
                    self._consume(refused, lost)
                except BrokerUnavailableError as error:
                    self._report(error)
                    backoff = refused if isinstance(error, BrokerRefusedError) else lost
                    self._pause(backoff.next_pause())
        finally:
            self._crew.dismiss()
            grace = monotonic() + GRACE_SECONDS
            while (left := max(self._deadline, grace) - monotonic()) > 0:
                if self._crew.wait(min(left, GRACE_SECONDS)):
                    break
                self._feed_watchdog()
        if self._crew.crash is not None:
            raise self._crew.crash

    def _consume(self, *series: Backoff) -> None:
        """Consume from the first host that lets us in, until stopped.

        Raises BrokerUnavailableError when none does, or when the connection is lost.
        """
        # in random order, so that many consumers spread over the nodes of a cluster
        hosts = sample(self._broker.hosts, len(self._broker.hosts))
        try:
            session = first_open(hosts, self._open)
        except BrokerUnavailableError:
            if self._stopping.is_set():
                return
            raise
        began = monotonic()
        try:
            self._serve(session)
        finally:
            if session.settled or monotonic() - began > STABLE_SECONDS:
                for backoff in series:
                    backoff.reset()

    def _open(self, host: str) -> Session:
        link = Link(self._broker, host, self._on_waiting)
        topology = self._declaration.topology
        close = link.close
        try:
            declare(link, topology, self._declaration.retry_delays)
            session = Session(link, native_retry=delays_retries(link, topology))
            close = session.close  # deliveries may have come already
            session.start(topology.queue, self._declaration.prefetch, self._crew.mailbox.put)
        except BaseException as error:
            close()
            if isinstance(error, CONNECTION_ERRORS):
                raise unavailable(error, host, self._broker.user) from error
            raise
        return session

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
        if self._crew.wait(0):
            session.finish()
        try:
            session.consume(queue, partial(self._tick, session))
        except BrokerUnavailableError:
            raise
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

    def _tick(self, session: Session) -> None:
        self._metrics.in_flight.set(session.in_flight)
        self._metrics.queue_length.set(session.queue_length)
        state = "stopping" if self._stopping.is_set() else f"connected to {session.host}"
        self._notifier.status(
            f"{state}, {session.in_flight} in flight, {self._crew.processed:,} processed"
        )
        self._feed_watchdog()

        # at a stop, nobody waits for a database that is away
        if self._stopping.is_set() and (monotonic() > self._deadline or self._crew.trouble()):
            self._give_up(session)

    def _give_up(self, session: Session) -> None:
        """End the session; what is not settled goes back to the queue."""
        session.over.set()
        session.finish()

    def _begin_to_stop(self) -> None:
        self._deadline = monotonic() + DRAIN_SECONDS
        self._stopping.set()
        self._crew.dismiss()
        if session := self._session:
            session.stop_consuming()

    def _on_worker_ended(self) -> None:
        """End when all workers have; one that ends before a stop is broken, and so is the rest."""
        if not self._stopping.is_set():
            self._begin_to_stop()
        if self._crew.wait(0) and (session := self._session):
            session.finish()

    def _on_waiting(self) -> None:
        """Show that connecting makes progress, and give it up at a stop."""
        self._feed_watchdog()
        if self._stopping.is_set():
            raise BrokerUnavailableError("stopped while connecting")

    def _report(self, error: BrokerUnavailableError) -> None:
        problem = str(error)
        self._notifier.status(f"not connected: {problem}")
        if problem != self._broker_problem:
            stopping = self._stopping.is_set()
            log.error(f"Error: {problem}{'' if stopping else '; trying again until it works'}")
            self._broker_problem = problem
        self._metrics.reconnects.inc()

    def _pause(self, seconds: float) -> None:
        end = monotonic() + seconds
        while (left := end - monotonic()) > 0:
            self._feed_watchdog()
            if self._stopping.wait(min(left, WATCHDOG_SLICE_SECONDS)):
                return

    def _feed_watchdog(self) -> None:
        reason = self._watchdog.progress()
        if reason and reason != self._hung:
            log.critical(f"The watchdog is no longer fed: {reason}")
        self._hung = reason
