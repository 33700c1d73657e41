"""The service order-processor: consumes orders, records them, and says so in the journal."""

import sys
from queue import SimpleQueue
from threading import Thread

import structlog
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from pydantic import Field

from skillupworks.messaging.connection import Broker
from skillupworks.messaging.consumer import Consumer, Declaration
from skillupworks.messaging.metrics import ConsumerMetrics
from skillupworks.messaging.parking import Parking
from skillupworks.messaging.publisher import Publisher
from skillupworks.messaging.worker import Worker
from skillupworks.runtime.database import create_engine
from skillupworks.runtime.health import Readiness
from skillupworks.runtime.migrations import migrate
from skillupworks.runtime.notify import Notifier
from skillupworks.runtime.ops_server import OpsServer, create_ops_app
from skillupworks.runtime.service import Service, run, wait_for_stop
from skillupworks.runtime.settings import MAX_PORT, BrokerSettings, DatabaseSettings
from skillupworks.shop.order_lines import READY_LINE, STARTING_LINE
from skillupworks.shop.order_store import SCRIPTS, OrderProcess
from skillupworks.shop.topology import ORDER_PROCESSING

__all__ = ["OrderProcessorSettings", "main"]

log = structlog.get_logger()

NAME = "order-processor"


class OrdersDatabaseSettings(DatabaseSettings):
    """The environment of `order-processor --migrate`."""

    mysql_database: str = "orders"


class OrderProcessorSettings(BrokerSettings, OrdersDatabaseSettings):
    """The environment of order-processor."""

    rabbitmq_prefetch: int = Field(default=10, ge=1, le=1000)
    ops_listen: str = "127.0.0.1"
    ops_port: int = Field(default=9101, ge=1, le=MAX_PORT)


def main() -> None:
    """Entry point of the console script."""
    sys.exit(
        run(
            Service(
                name=NAME,
                description="Processes the orders of queue order-processing.",
                settings=OrderProcessorSettings,
                database=OrdersDatabaseSettings,
                check=lambda _settings: None,
                migrate=lambda settings: migrate(
                    create_engine(settings, pool_size=1), "orders", SCRIPTS
                ),
                serve=serve,
            )
        )
    )


def serve(settings: OrderProcessorSettings) -> None:
    """Consume until SIGTERM; raises TopologyError, or what broke a thread."""
    log.info(STARTING_LINE)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    metrics = ConsumerMetrics(registry, ORDER_PROCESSING.queue)
    broker = Broker.from_settings(settings, NAME)
    notifier = Notifier()
    # one connection for the worker, one for readiness checks
    process = OrderProcess(create_engine(settings, pool_size=2))
    parking = Parking(
        Publisher(broker), ORDER_PROCESSING.dead_letter_exchange, ORDER_PROCESSING.queue
    )
    worker = Worker(process, parking, metrics)
    declaration = Declaration(ORDER_PROCESSING, settings.rabbitmq_prefetch, READY_LINE)
    consumer = Consumer(broker, declaration, worker, metrics, notifier)
    readiness = Readiness(
        checks={
            "rabbitmq": consumer.broker_problem,
            "mysql": process.check,
            "worker": worker.trouble,
        },
        degraded={},
    )
    server = OpsServer(create_ops_app(readiness, registry), settings.ops_listen, settings.ops_port)
    try:
        consume(consumer, notifier)
    finally:
        server.close()


def consume(consumer: Consumer, notifier: Notifier) -> None:
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
    log.info("Stopped")
