"""The service catalogue: what is sold, and reservations of it."""

import sys
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from pydantic import Field

from skillupworks.runtime.health import Readiness
from skillupworks.runtime.http_server import listen, serve_http
from skillupworks.runtime.mongo import MongoDatabase
from skillupworks.runtime.service import Service, run
from skillupworks.runtime.settings import MAX_PORT, MongoSettings
from skillupworks.shop.catalogue_api import create_app
from skillupworks.shop.catalogue_files import load_catalogue
from skillupworks.shop.catalogue_loader import load
from skillupworks.shop.catalogue_store import MongoProductStore
from skillupworks.shop.reservation_store import MongoReservationStore
from skillupworks.shop.reservation_sweeper import ReservationSweeper
from skillupworks.shop.reservations import ReservationMetrics, Reservations

__all__ = ["CatalogueSettings", "main"]

log = structlog.get_logger()

# as many requests use MongoDB at once; the others wait for a connection
POOL_SIZE = 20

HOUR_SECONDS = 60 * 60


class CatalogueDatabaseSettings(MongoSettings):
    """The environment of every run of catalogue."""

    mongodb_database: str = "catalogue"


class CatalogueFilesSettings(CatalogueDatabaseSettings):
    """The environment of `catalogue --migrate`: where products.json and categories.json are."""

    catalogue_folder: Path


class CatalogueSettings(CatalogueDatabaseSettings):
    """The environment of catalogue."""

    http_listen: str = "127.0.0.1"
    http_port: int = Field(default=8081, ge=1, le=MAX_PORT)
    # how long others may keep what is shown; a stock may be an old one for so long
    http_cache_seconds: int = Field(default=10, ge=0, le=HOUR_SECONDS)
    # what nobody commits for so long is given back
    reservation_seconds: int = Field(default=HOUR_SECONDS // 4, ge=1, le=24 * HOUR_SECONDS)
    # how often that is looked for
    sweep_seconds: int = Field(default=5, ge=1, le=HOUR_SECONDS)


def main() -> None:
    """Entry point of the console script."""
    sys.exit(
        run(
            Service(
                name="catalogue",
                description="Says what is sold, and reserves it.",
                settings=CatalogueSettings,
                database=CatalogueFilesSettings,
                check=lambda _settings: None,
                migrate=migrate,
                serve=serve,
            )
        )
    )


def migrate(settings: CatalogueFilesSettings) -> str:
    """Write what the files say is sold, and return the line that says what was done."""
    files = load_catalogue(settings.catalogue_folder)
    database = MongoDatabase(settings, size=1)
    try:
        return str(load(database, files))
    finally:
        database.close()


def serve(settings: CatalogueSettings) -> None:
    """Answer requests until SIGTERM; OSError when the address cannot be had."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    database = MongoDatabase(settings, size=POOL_SIZE)
    products = MongoProductStore(database)
    reservations = Reservations(
        MongoReservationStore(database),
        ReservationMetrics(registry),
        seconds=settings.reservation_seconds,
    )
    sweeper = ReservationSweeper(reservations, registry, seconds=settings.sweep_seconds)
    readiness = Readiness(checks={"mongodb": products.check}, degraded={})
    try:
        app = create_app(
            products, reservations, readiness, registry, cache_seconds=settings.http_cache_seconds
        )
        listener = listen(settings.http_listen, settings.http_port)
        sweeper.start()
        serve_http(app, listener)
        sweeper.stop()
    finally:
        database.close()
    log.info("Stopped")
