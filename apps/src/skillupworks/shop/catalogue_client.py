"""What the catalogue says about products, asked over HTTP and kept for a short while.

A price is shown only while it is fresh: when the catalogue is away there is none, rather than an
old one. A catalogue that hangs costs one customer a moment, and not each of them: after a failure
it is left alone for a while.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from threading import Lock
from time import monotonic
from typing import Annotated, Literal
from urllib.parse import quote

import structlog
import urllib3
from prometheus_client import CollectorRegistry, Counter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from urllib3.exceptions import HTTPError

from skillupworks.runtime.http_client import HttpPool, JitteredRetry
from skillupworks.runtime.validation import problems_of
from skillupworks.shop.fields import Code, Text
from skillupworks.shop.products import Price

__all__ = ["Absent", "CatalogueMetrics", "HttpCatalogue", "LookUp", "Product"]

log = structlog.get_logger()

CONNECT_SECONDS = 0.5
REPLY_SECONDS = 1.0
# for all products of one cart; those that are not known by then have no price this time
CART_SECONDS = 2.0
CACHE_SIZE = 1_000
# once more where the server closed an idle connection at the same moment
RETRIES = JitteredRetry(total=1, connect=0, redirect=0, status=0)


@dataclass(frozen=True, slots=True)
class Product:
    """A product; its price in paise."""

    sku: str
    name: str
    price: int


class Absent(Enum):
    """Why there is no product, in words for its line in the cart."""

    UNKNOWN = "is not sold"
    AWAY = "its price is not known at the moment"


LookUp = Product | Absent


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True)

    sku: Code
    name: Text
    price_minor: Annotated[Price, Field(alias="priceMinor")]
    currency: Literal["INR"]


class CatalogueMetrics:
    """What is counted of asking for products."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.products = Counter(
            "skillupworks_catalogue_products",
            "Products looked up, by where the answer came from",
            ["outcome"],
            registry=registry,
        )
        for outcome in ("cached", "found", "unknown", "away"):
            self.products.labels(outcome)


class HttpCatalogue:
    """The Catalogue of carts.py; thread-safe. Never raises: what cannot be had is AWAY."""

    def __init__(
        self,
        url: str,
        metrics: CatalogueMetrics,
        *,
        cache_seconds: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._metrics = metrics
        self._cache_seconds = cache_seconds
        self._clock = clock
        self._lock = Lock()
        self._cache: OrderedDict[str, tuple[float, Product]] = OrderedDict()
        self._http = HttpPool(url, clock=clock)
        self._timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=REPLY_SECONDS)

    def look_up(self, skus: Iterable[str]) -> dict[str, LookUp]:
        """Return for each sku its product, or why there is none."""
        deadline = self._clock() + CART_SECONDS
        return {sku: self._cached(sku) or self._ask(sku, deadline) for sku in skus}

    def check(self) -> str | None:
        """Return None when the catalogue answers, otherwise what is wrong."""
        return self._http.check("catalogue", self._timeout)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _cached(self, sku: str) -> Product | None:
        with self._lock:
            kept = self._cache.get(sku)
            if kept is None:
                return None
            until, product = kept
            if until <= self._clock():
                del self._cache[sku]
                return None
        self._metrics.products.labels("cached").inc()
        return product

    def _ask(self, sku: str, deadline: float) -> LookUp:
        now = self._clock()
        if now >= deadline or self._http.paused:
            return self._count("away", Absent.AWAY)
        try:
            path = f"/products/{quote(sku, safe='')}"
            reply = self._http.send("GET", path, timeout=self._timeout, retries=RETRIES)
        except (HTTPError, OSError) as error:
            return self._away(str(error), leave_alone=True)
        if reply.status == HTTPStatus.NOT_FOUND:
            return self._count("unknown", Absent.UNKNOWN)
        if reply.status != HTTPStatus.OK:
            return self._away(f"it answers {reply.status}", leave_alone=True)
        product = _read(sku, reply.body)
        if isinstance(product, str):
            return self._away(f"product {sku!r}: {product}")
        with self._lock:
            self._cache[sku] = (now + self._cache_seconds, product)
            while len(self._cache) > CACHE_SIZE:
                self._cache.popitem(last=False)
        return self._count("found", product)

    def _away(self, reason: str, *, leave_alone: bool = False) -> LookUp:
        if leave_alone:
            self._http.pause()
        log.warning(f"The catalogue {self._http.url} gives no price: {reason}", outcome="away")
        return self._count("away", Absent.AWAY)

    def _count(self, outcome: str, result: LookUp) -> LookUp:
        self._metrics.products.labels(outcome).inc()
        return result


def _read(sku: str, body: bytes) -> Product | str:
    """Return the product of an answer, or what is wrong with it."""
    try:
        answer = _Answer.model_validate_json(body)
    except ValidationError as error:
        return "; ".join(problems_of(error))
    if answer.sku != sku:
        return f"the answer is about {answer.sku!r}"
    return Product(answer.sku, answer.name, answer.price_minor)
