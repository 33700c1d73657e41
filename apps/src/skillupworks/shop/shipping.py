"""The service shipping: where orders can be shipped to, and for how much."""

import sys

import structlog
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from pydantic import Field

from skillupworks.runtime.database import Database
from skillupworks.runtime.health import Readiness
from skillupworks.runtime.http_server import listen, serve_http
from skillupworks.runtime.migrations import migrate
from skillupworks.runtime.service import Service, run
from skillupworks.runtime.settings import MAX_PORT, DatabaseSettings
from skillupworks.shop.quotes import Place
from skillupworks.shop.shipping_api import create_app
from skillupworks.shop.shipping_store import SCRIPTS, SqlPlaceStore

__all__ = ["ShippingSettings", "main"]

log = structlog.get_logger()

# as many requests use the database at once; the others wait for a connection
POOL_SIZE = 10


class PlacesDatabaseSettings(DatabaseSettings):
    """The environment of `shipping --migrate`."""

    mysql_database: str = "shipping"


class ShippingSettings(PlacesDatabaseSettings):
    """The environment of shipping; parcels are sent from the origin, by default Bengaluru."""

    http_listen: str = "127.0.0.1"
    http_port: int = Field(default=8085, ge=1, le=MAX_PORT)
    shipping_origin_latitude: float = Field(default=12.97194, ge=-90, le=90)
    shipping_origin_longitude: float = Field(default=77.59369, ge=-180, le=180)


def main() -> None:
    """Entry point of the console script."""
    sys.exit(
        run(
            Service(
                name="shipping",
                description="Says where orders can be shipped to, and for how much.",
                settings=ShippingSettings,
                database=PlacesDatabaseSettings,
                check=lambda _settings: None,
                migrate=lambda settings: migrate(settings, "shipping", SCRIPTS),
                serve=serve,
            )
        )
    )


def serve(settings: ShippingSettings) -> None:
    """Answer requests until SIGTERM; OSError when the address cannot be had."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    database = Database(settings, size=POOL_SIZE)
    store = SqlPlaceStore(database)
    origin = Place(settings.shipping_origin_latitude, settings.shipping_origin_longitude)
    readiness = Readiness(checks={"mysql": store.check}, degraded={})
    try:
        app = create_app(store, origin, readiness, registry)
        serve_http(app, listen(settings.http_listen, settings.http_port))
    finally:
        database.close()
    log.info("Stopped")
