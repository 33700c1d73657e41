"""The service payment: takes orders over HTTP, and relays them to the broker."""

import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import structlog
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from pydantic import Field, SecretStr

from skillupworks.messaging.connection import Broker
from skillupworks.messaging.publisher import Publisher
from skillupworks.reliability.outbox import Outbox
from skillupworks.reliability.pipeline import PIPELINE_CONNECTIONS
from skillupworks.reliability.relay import Relay
from skillupworks.reliability.relay_report import RelayMetrics
from skillupworks.runtime.database import Database
from skillupworks.runtime.health import Readiness
from skillupworks.runtime.http_client import ServiceClient
from skillupworks.runtime.http_server import listen, serve_http
from skillupworks.runtime.migrations import migrate
from skillupworks.runtime.parts import stop_together
from skillupworks.runtime.redis import RedisPool
from skillupworks.runtime.service import Service, run
from skillupworks.runtime.settings import (
    MAX_PORT,
    BrokerSettings,
    DatabaseSettings,
    RedisSettings,
)
from skillupworks.shop.checkout import Checkout
from skillupworks.shop.checkout_steps import OrderTaker
from skillupworks.shop.gateway import Gateway
from skillupworks.shop.leases import Leases
from skillupworks.shop.order_list import SqlOrderStore
from skillupworks.shop.payment_api import Parts, create_app
from skillupworks.shop.payment_metrics import PaymentMetrics
from skillupworks.shop.payment_store import SCRIPTS, SqlPaymentStore
from skillupworks.shop.reconciler import Reconciler, ReconcilerMetrics
from skillupworks.shop.sessions import RedisSessions
from skillupworks.shop.settlement import Settlement
from skillupworks.shop.settler import Settler
from skillupworks.shop.shipping_client import HttpQuotes
from skillupworks.shop.shipping_methods import ShippingMethod, load_methods
from skillupworks.shop.simulated_gateway import SimulatedGateway
from skillupworks.shop.stock_client import HttpStock
from skillupworks.shop.stock_settler import StockSettler
from skillupworks.shop.suspect_store import SqlSuspectStore
from skillupworks.shop.webhook import Signer, Webhook, WebhookSender

__all__ = ["PaymentSettings", "main"]

log = structlog.get_logger()

NAME = "payment"

# as many requests use the database at once; the others wait for a connection
POOL_SIZE = 10
# of the service's own, that use the database: stock settler, settler, reconciler
THREADS = 3

# after the last request, for all threads at once: within the unit's TimeoutStopSec
PARTS_SECONDS = 10.0

URL = "^https?://[^/?#]+/?$"
# where a service that listens everywhere reaches itself
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


class PaymentsDatabaseSettings(DatabaseSettings):
    """The environment of `payment --migrate`."""

    mysql_database: str = "payments"


class PaymentSettings(BrokerSettings, RedisSettings, PaymentsDatabaseSettings):
    """The environment of payment."""

    mysql_orders_database: str = "orders"
    http_listen: str = "127.0.0.1"
    http_port: int = Field(default=8084, ge=1, le=MAX_PORT)
    catalogue_url: str = Field(pattern=URL)
    shipping_url: str = Field(pattern=URL)
    shipping_methods_file: Path = Path("/etc/skillupworks/shipping_methods.json")
    gateway: Literal["simulated"] = "simulated"
    gateway_timeout_seconds: float = Field(default=5, gt=0, le=60)
    gateway_webhook_secret: SecretStr = Field(min_length=16)
    # of the simulated gateway: how long it takes its bank to decide about a pending charge
    simulated_webhook_seconds: float = Field(default=3, ge=0, le=3600)
    # an order that was not charged by then is given up
    abandon_after_seconds: int = Field(default=120, ge=1, le=86_400)
    # so many orders may wait for the broker; then new ones are refused
    outbox_limit: int = Field(default=100_000, ge=1)
    # longer than the broker is usually away, and than all retries of an order take
    reconcile_after_seconds: int = Field(default=1800, ge=1)


def main() -> None:
    """Entry point of the console script."""
    sys.exit(
        run(
            Service(
                name=NAME,
                description="Takes payments for orders over HTTP.",
                settings=PaymentSettings,
                database=PaymentsDatabaseSettings,
                check=lambda settings: (load_methods(settings.shipping_methods_file), None)[1],
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
    methods = load_methods(settings.shipping_methods_file)
    with ExitStack() as resources:
        payment = _build(settings, methods, registry, resources)
        listener = listen(settings.http_listen, settings.http_port)
        resources.callback(stop_together, payment.threads, PARTS_SECONDS)
        for thread in payment.threads:
            thread.start()
        hung = [thread.hung for thread in payment.threads]
        serve_http(payment.app, listener, *hung, status=payment.status)
    log.info("Stopped")


class _Thread(Protocol):
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def hung(self) -> str | None: ...


@dataclass(frozen=True)
class _Payment:
    """The parts of the service that live while it serves; threads in the order they start."""

    app: FastAPI
    threads: tuple[_Thread, ...]
    status: Callable[[], str]


def _build(
    settings: PaymentSettings,
    methods: Mapping[str, ShippingMethod],
    registry: CollectorRegistry,
    resources: ExitStack,
) -> _Payment:
    database = resources.enter_context(closing(Database(settings, size=POOL_SIZE)))
    # those of the threads: requests that wait for the pool must not hold them up
    own_database = resources.enter_context(closing(Database(settings, size=THREADS)))
    relay_database = resources.enter_context(closing(Database(settings, size=PIPELINE_CONNECTIONS)))
    redis = resources.enter_context(closing(RedisPool(settings, size=POOL_SIZE)))
    catalogue = resources.enter_context(closing(ServiceClient("catalogue", settings.catalogue_url)))
    shipping = resources.enter_context(
        closing(ServiceClient("shipping service", settings.shipping_url))
    )
    metrics = PaymentMetrics(registry)
    outbox = Outbox()
    leases = Leases(f"{socket.gethostname()} {settings.http_listen} {settings.http_port}")
    relay = Relay(
        relay_database,
        outbox,
        Publisher(Broker.from_settings(settings, NAME)),
        RelayMetrics(registry),
        limit=settings.outbox_limit,
    )
    store, own_store = (
        SqlPaymentStore(
            each,
            outbox,
            leases,
            suspect_after=settings.reconcile_after_seconds,
            abandon_after=settings.abandon_after_seconds,
        )
        for each in (database, own_database)
    )
    signer = Signer(settings.gateway_webhook_secret.get_secret_value())
    gateway = _gateway(settings, signer, resources)
    stock = HttpStock(catalogue)
    stock_settler = StockSettler(stock, own_store, metrics)
    settlement = Settlement(store, stock_settler, relay.wake, metrics)
    own_settlement = Settlement(own_store, stock_settler, relay.wake, metrics)
    settler = Settler(
        own_store, gateway, own_settlement, stock_settler, leases=leases, metrics=metrics
    )
    reconciler = Reconciler(
        SqlSuspectStore(own_database, outbox, settings.mysql_orders_database),
        relay.wake,
        relay.full,
        ReconcilerMetrics(registry),
        after=settings.reconcile_after_seconds,
    )
    taker = OrderTaker(stock, HttpQuotes(shipping), methods)
    readiness = Readiness(
        checks={"mysql": store.check, "redis": redis.check},
        degraded={
            "outbox": relay.problem,
            "catalogue": catalogue.check,
            "shipping": shipping.check,
        },
    )
    parts = Parts(
        checkout=Checkout(
            store, taker, gateway, settlement, leases=leases, full=relay.full, metrics=metrics
        ),
        store=store,
        orders=SqlOrderStore(database, settings.mysql_orders_database),
        sessions=RedisSessions(redis),
        webhook=Webhook(store, settlement),
        signer=signer,
    )
    app = create_app(parts, readiness, registry)
    return _Payment(app, (relay, reconciler, stock_settler, settler), relay.status)


def _gateway(settings: PaymentSettings, signer: Signer, resources: ExitStack) -> Gateway:
    """Return the gateway that GATEWAY names."""
    database = resources.enter_context(closing(Database(settings, size=POOL_SIZE)))
    host = LOOPBACK.get(settings.http_listen, settings.http_listen)
    host = f"[{host}]" if ":" in host else host
    sender = resources.enter_context(
        closing(WebhookSender(f"http://{host}:{settings.http_port}", signer))
    )
    return SimulatedGateway(
        database,
        sender,
        timeout_seconds=settings.gateway_timeout_seconds,
        webhook_seconds=settings.simulated_webhook_seconds,
    )
