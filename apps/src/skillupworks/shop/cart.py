"""The service cart: what customers are about to buy."""

import sys

import structlog
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from pydantic import Field

from skillupworks.runtime.health import Readiness
from skillupworks.runtime.http_server import listen, serve_http
from skillupworks.runtime.redis import RedisPool
from skillupworks.runtime.service import Service, run
from skillupworks.runtime.settings import MAX_PORT, RedisSettings
from skillupworks.shop.cart_api import create_app
from skillupworks.shop.cart_model import MAX_ITEMS, MAX_QUANTITY
from skillupworks.shop.cart_store import Limits, RedisCartStore
from skillupworks.shop.carts import CartMetrics, Carts
from skillupworks.shop.catalogue_client import CatalogueMetrics, HttpCatalogue
from skillupworks.shop.sessions import RedisSessions

__all__ = ["CartSettings", "main"]

log = structlog.get_logger()

# as many requests use Redis at once; the others wait for a connection
POOL_SIZE = 20

DAY_SECONDS = 24 * 60 * 60


class CartSettings(RedisSettings):
    """The environment of cart."""

    http_listen: str = "127.0.0.1"
    http_port: int = Field(default=8083, ge=1, le=MAX_PORT)
    catalogue_url: str = Field(default="http://127.0.0.1:8081", pattern="^https?://[^/?#]+/?$")
    # how long a price may be an old one
    catalogue_cache_seconds: int = Field(default=30, ge=0, le=3600)
    # a cart that nobody changes for so long is deleted
    cart_ttl_seconds: int = Field(default=7 * DAY_SECONDS, ge=1, le=366 * DAY_SECONDS)


def main() -> None:
    """Entry point of the console script."""
    sys.exit(
        run(
            Service(
                name="cart",
                description="Holds what customers are about to buy.",
                settings=CartSettings,
                check=lambda _settings: None,
                serve=serve,
            )
        )
    )


def serve(settings: CartSettings) -> None:
    """Answer requests until SIGTERM; OSError when the address cannot be had."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    redis = RedisPool(settings, size=POOL_SIZE)
    catalogue = HttpCatalogue(
        settings.catalogue_url,
        CatalogueMetrics(registry),
        cache_seconds=settings.catalogue_cache_seconds,
    )
    limits = Limits(MAX_QUANTITY, MAX_ITEMS, settings.cart_ttl_seconds)
    carts = Carts(RedisCartStore(redis, limits), catalogue, CartMetrics(registry))
    readiness = Readiness(checks={"redis": redis.check}, degraded={"catalogue": catalogue.check})
    try:
        app = create_app(carts, RedisSessions(redis), readiness, registry)
        serve_http(app, listen(settings.http_listen, settings.http_port))
    finally:
        catalogue.close()
        redis.close()
    log.info("Stopped")
