"""A service that consumes one queue: everything around the handler, as a unit of systemd.

`ConsumerService` is the short way, see docs/messaging.md for a whole service in twenty lines.
`run_consumer` is what it is made of, for a service that has more parts than its handler.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from typing import Any, Generic, Protocol, TypeVar

import structlog
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from pydantic import Field, field_validator

from skillupworks.errors import ConfigurationError
from skillupworks.messaging.connection import Broker
from skillupworks.messaging.consumer import Consumer
from skillupworks.messaging.declaration import Declaration
from skillupworks.messaging.message import Delivery, Outcome
from skillupworks.messaging.metrics import ConsumerMetrics
from skillupworks.messaging.topology import DEFAULT_RETRY_DELAYS, QueueTopology
from skillupworks.reliability.pruning import InboxPruner
from skillupworks.reliability.unit import Transactional, Unit
from skillupworks.runtime.database import Database
from skillupworks.runtime.health import Check, Readiness
from skillupworks.runtime.migrations import migrate
from skillupworks.runtime.notify import Notifier
from skillupworks.runtime.ops_server import OpsServer, create_ops_app
from skillupworks.runtime.parts import stop_together
from skillupworks.runtime.service import Service, run, wait_for_stop
from skillupworks.runtime.settings import MAX_PORT, BrokerSettings, DatabaseSettings

__all__ = ["ConsumerService", "ConsumerSettings", "Extras", "Part", "new_registry", "run_consumer"]

log = structlog.get_logger()

M = TypeVar("M")

MAX_DELAY_SECONDS = 86_400
# after the last message, for all parts at once: within the unit's TimeoutStopSec, of which the
# consumer takes up to 25 s
PARTS_SECONDS = 3.0


class ConsumerSettings(BrokerSettings, DatabaseSettings):
    """The environment of a service that consumes."""

    rabbitmq_prefetch: int = Field(default=200, ge=1, le=2000)
    batch_size: int = Field(default=100, ge=1, le=1000)
    concurrency: int = Field(default=1, ge=1, le=32)
    retry_delays: str = ",".join(map(str, DEFAULT_RETRY_DELAYS))
    inbox_retention_days: int = Field(default=30, ge=1, le=3650)
    ops_listen: str = "127.0.0.1"
    ops_port: int = Field(default=9101, ge=1, le=MAX_PORT)

    @field_validator("retry_delays")
    @classmethod
    def _is_list_of_seconds(cls, value: str) -> str:
        parts = [part.strip() for part in value.split(",")]
        if not all(part.isdecimal() and 1 <= int(part) <= MAX_DELAY_SECONDS for part in parts):
            raise ValueError(
                f"must be seconds between 1 and {MAX_DELAY_SECONDS}, separated by commas"
            )
        return value

    @property
    def delays(self) -> tuple[int, ...]:
        """The seconds before the second, third, … attempt of a message."""
        return tuple(int(part) for part in self.retry_delays.split(","))


class Part(Protocol):
    """Something that runs beside the consumer in a thread of its own."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End; returns soon."""


@dataclass(frozen=True)
class Extras:
    """What a service has beside its consumer; see Readiness for the two kinds of checks."""

    parts: Sequence[Part] = ()
    checks: Mapping[str, Check] = field(default_factory=dict)
    degraded: Mapping[str, Check] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ConsumerService(Generic[M]):
    """A whole service: `main` is the entry point of its console script.

    `handle` gets each message and its Unit; what it inserts is committed together with the inbox
    row, once. `migrations` is the folder of the schema's revisions, which create `inbox` too.
    """

    name: str
    description: str
    topology: QueueTopology
    read: Callable[[Delivery], M]
    handle: Callable[[M, Unit], Outcome | None]
    settings: type[ConsumerSettings] = ConsumerSettings
    migrations: str = ""

    def main(self) -> None:
        """Do what the command line says, and exit."""
        sys.exit(
            run(
                Service(
                    name=self.name,
                    description=self.description,
                    settings=self.settings,
                    database=DatabaseSettings,
                    check=lambda _settings: None,
                    migrate=self._migrate,
                    serve=self._serve,
                )
            )
        )

    def _migrate(self, settings: DatabaseSettings) -> str:
        if not self.migrations:
            raise ConfigurationError("this service has no schema of its own")
        return migrate(settings, settings.mysql_database, self.migrations)

    def _serve(self, settings: ConsumerSettings) -> None:
        # one connection for each worker, the pruner, and readiness checks
        with closing(Database(settings, size=settings.concurrency + 2)) as database:
            self._consume(settings, database)

    def _consume(self, settings: ConsumerSettings, database: Database) -> None:
        run_consumer(
            settings,
            self.name,
            Declaration(
                topology=self.topology,
                read=self.read,
                process=Transactional(database, self.name, self.handle),
                prefetch=settings.rabbitmq_prefetch,
                batch=settings.batch_size,
                concurrency=settings.concurrency,
                retry_delays=settings.delays,
            ),
            new_registry(),
            Extras(parts=[InboxPruner(database, self.name, settings.inbox_retention_days)]),
        )


def new_registry() -> CollectorRegistry:
    """Return a registry with the metrics of the process: its memory, threads, time of start."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


def run_consumer(
    settings: ConsumerSettings,
    name: str,
    declaration: Declaration[Any],
    registry: CollectorRegistry,
    extras: Extras | None = None,
) -> None:
    """Consume until SIGTERM; a second one gives back what is not finished.

    Raises TopologyError, or what broke a thread; OSError when the ops port cannot be had.
    """
    extras = extras or Extras()
    notifier = Notifier()
    consumer = Consumer(
        Broker.from_settings(settings, name),
        declaration,
        ConsumerMetrics(registry, declaration.topology.queue),
        notifier,
    )
    checks = {
        "rabbitmq": consumer.broker_problem,
        "mysql": declaration.process.check,
        "worker": consumer.trouble,
        **extras.checks,
    }
    readiness = Readiness(checks, extras.degraded)
    server = OpsServer(create_ops_app(readiness, registry), settings.ops_listen, settings.ops_port)
    try:
        for part in extras.parts:
            part.start()
        _consume(consumer, notifier)
    finally:
        stop_together(extras.parts, PARTS_SECONDS)
        server.close()
    log.info("Stopped")


def _consume(consumer: Consumer, notifier: Notifier) -> None:
    """Run the consumer in a thread of its own, and this one for the signals."""
    ended: SimpleQueue[str] = SimpleQueue()
    failures: list[BaseException] = []

    def io_loop() -> None:
        try:
            consumer.run()
        except BaseException as error:  # noqa: BLE001 - raised again by the main thread
            failures.append(error)
        finally:
            ended.put("ended")

    def stop() -> None:
        notifier.stopping()
        consumer.stop()

    thread = Thread(target=io_loop, name="consumer")
    thread.start()
    notifier.ready()
    wait_for_stop(stop, ended)
    thread.join()
    if failures:
        raise failures[0]
