"""The service payment: takes orders over HTTP, and relays them to the broker."""

import sys
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from pydantic import Field

from skillupworks.messaging.connection import Broker
from skillupworks.messaging.publisher import Publisher
from skillupworks.reliability.outbox import Outbox
from skillupworks.reliability.pipeline import PIPELINE_CONNECTIONS
from skillupworks.reliability.relay import Relay
from skillupworks.reliability.relay_report import RelayMetrics
from skillupworks.runtime.database import Database
from skillupworks.runtime.health import Readiness
from skillupworks.runtime.http_server import listen, serve_http
from skillupworks.runtime.migrations import migrate
from skillupworks.runtime.service import Service, run
from skillupworks.runtime.settings import MAX_PORT, BrokerSettings, DatabaseSettings
from skillupworks.shop.checkout import Checkout
from skillupworks.shop.payment_api import create_app
from skillupworks.shop.payment_store import SCRIPTS, SqlPaymentStore
from skillupworks.shop.products import load_products
from skillupworks.shop.reconciler import Reconciler, ReconcilerMetrics

__all__ = ["PaymentSettings", "main"]

log = structlog.get_logger()

NAME = "payment"

# as many requests use the database at once; the others wait for a connection
POOL_SIZE = 10


class PaymentsDatabaseSettings(DatabaseSettings):
    """The environment of `payment --migrate`."""

    mysql_database: str = "payments"


class PaymentSettings(BrokerSettings, PaymentsDatabaseSettings):
    """The environment of payment."""

    mysql_orders_database: str = "orders"
    http_listen: str = "127.0.0.1"
    http_port: int = Field(default=8084, ge=1, le=MAX_PORT)
    products_file: Path = Path("/etc/skillupworks/products.json")
    # so many orders may wait for the broker; then new ones are refused
    outbox_limit: int = Field(default=100_000, ge=1)
    # longer than the broker is usually away, and than an order waits in a queue
    reconcile_after_seconds: int = Field(default=600, ge=1)


def main() -> None:
    """Entry point of the console script."""
    sys.exit(
        run(
            Service(
                name=NAME,
                description="Takes payments for orders over HTTP.",
                settings=PaymentSettings,
                database=PaymentsDatabaseSettings,
                check=lambda settings: (load_products(settings.products_file), None)[1],
                migrate=lambda settings: migrate(settings, "payments", SCRIPTS),
                serve=serve,
            )
        )
    )


def serve(settings: PaymentSettings) -> None:
    """Answer requests until SIGTERM; OSError when the address cannot be had."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    products = load_products(settings.products_file)
    database = Database(settings, size=POOL_SIZE)
    # the relay's own connections: requests that wait for the pool must not hold it up
    relay_database = Database(settings, size=PIPELINE_CONNECTIONS)
    outbox = Outbox()
    store = SqlPaymentStore(
        database, outbox, settings.mysql_orders_database, settings.reconcile_after_seconds
    )
    publisher = Publisher(Broker.from_settings(settings, NAME))
    relay = Relay(
        relay_database, outbox, publisher, RelayMetrics(registry), limit=settings.outbox_limit
    )
    reconciler = Reconciler(
        store,
        relay.wake,
        relay.full,
        ReconcilerMetrics(registry),
        after=settings.reconcile_after_seconds,
    )
    readiness = Readiness(checks={"mysql": store.check}, degraded={"outbox": relay.problem})
    checkout = Checkout(store, products, relay.wake, relay.full)
    app = create_app(checkout, store, readiness, registry)
    listener = listen(settings.http_listen, settings.http_port)
    relay.start()
    reconciler.start()
    try:
        serve_http(app, listener, relay.hung, reconciler.hung, status=relay.status)
    finally:
        reconciler.stop()
        relay.stop()
        database.close()
        relay_database.close()
    log.info("Stopped")
