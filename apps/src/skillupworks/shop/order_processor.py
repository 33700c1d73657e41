"""The service order-processor: consumes orders, records them, and says so in the journal."""

import sys
from collections.abc import Mapping

import structlog

from skillupworks.consumer_service import ConsumerSettings, Extras, new_registry, run_consumer
from skillupworks.messaging.declaration import Declaration
from skillupworks.reliability.back_end import BackEnd, EffectMetrics, Lane, LogBackEnd
from skillupworks.reliability.effect_runner import EffectRunner
from skillupworks.reliability.effects import EffectTable
from skillupworks.reliability.pruning import InboxPruner
from skillupworks.reliability.unit import Transactional
from skillupworks.runtime.database import Database
from skillupworks.runtime.migrations import migrate
from skillupworks.runtime.service import Service, run
from skillupworks.runtime.settings import DatabaseSettings
from skillupworks.shop.back_ends import BackEndSettings, back_ends
from skillupworks.shop.order_handler import OrderHandler, order_seconds
from skillupworks.shop.order_lines import READY_LINE, STARTING_LINE
from skillupworks.shop.order_message import parse_order
from skillupworks.shop.order_store import SCRIPTS, order_messages
from skillupworks.shop.topology import ORDER_PROCESSING

__all__ = ["OrderProcessorSettings", "main"]

log = structlog.get_logger()

NAME = "order-processor"


class OrdersDatabaseSettings(DatabaseSettings):
    """The environment of `order-processor --migrate`."""

    mysql_database: str = "orders"


class OrderProcessorSettings(ConsumerSettings, BackEndSettings, OrdersDatabaseSettings):
    """The environment of order-processor."""

    mysql_database: str = "orders"


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
                migrate=lambda settings: migrate(settings, "orders", SCRIPTS),
                serve=serve,
            )
        )
    )


def serve(settings: OrderProcessorSettings) -> None:
    """Consume until SIGTERM; raises TopologyError, or what broke a thread."""
    log.info(STARTING_LINE)
    ends = back_ends(settings)
    # one connection for each worker, each kind of effects, the pruner, and readiness checks
    database = Database(settings, size=settings.concurrency + len(ends) + 2)
    try:
        consume(settings, ends, database)
    finally:
        database.close()


def consume(
    settings: OrderProcessorSettings, ends: Mapping[str, BackEnd], database: Database
) -> None:
    """Consume, and deliver what orders cause, until SIGTERM."""
    registry = new_registry()
    metrics = EffectMetrics(registry)
    # Those that are only printed share a runner, so that an order's lines keep their order; a
    # back end that is slow or away does not hold up the others.
    groups: dict[str, list[Lane]] = {}
    for kind, end in ends.items():
        printed = isinstance(end, LogBackEnd)
        table = EffectTable(kind, None if printed else order_messages)
        group = "printed" if printed else kind
        groups.setdefault(group, []).append(Lane(kind, end, metrics, table))
    runners = [EffectRunner(lanes, database) for lanes in groups.values()]

    def wake_runners() -> None:
        for runner in runners:
            runner.wake()

    handler = OrderHandler(list(ends), wake_runners, order_seconds(registry))
    run_consumer(
        settings,
        NAME,
        Declaration(
            topology=ORDER_PROCESSING,
            read=parse_order,
            process=Transactional(
                database,
                NAME,
                handler,
                # a message that was published by hand, without an id, is known by its order
                key=lambda order: order.order_id,
                duplicate=handler.duplicate,
            ),
            prefetch=settings.rabbitmq_prefetch,
            batch=settings.batch_size,
            concurrency=settings.concurrency,
            retry_delays=settings.delays,
            facts=lambda order: {"order_id": order.order_id},
            announce=False,
            greeting=READY_LINE,
        ),
        registry,
        Extras(
            parts=[
                *runners,
                InboxPruner(database, NAME, settings.inbox_retention_days),
            ],
            degraded={runner.name: runner.problem for runner in runners},
        ),
    )
