"""Products of the catalogue: asked by HTTP, kept for a moment, and absent rather than wrong."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from urllib3.exceptions import ProtocolError

from skillupworks.runtime import trace
from skillupworks.runtime.http_client import JITTER_SECONDS, PAUSE_SECONDS
from skillupworks.shop import catalogue_client
from skillupworks.shop.catalogue_client import (
    Absent,
    CatalogueMetrics,
    HttpCatalogue,
    Product,
)

from .played_servers import PlayedHandler, PlayedHttpServer, serving

LINUX = {
    "sku": "Linux",
    "name": "Linux Administration",
    "price": 1999,
    "priceMinor": 199_900,
    "currency": "INR",
    "stock": 3,
}
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Server(PlayedHttpServer):
    """A catalogue that answers `status` and `body(sku)`."""

    def __init__(self) -> None:
        super().__init__(Handler)
        self.status = 200
        self.body: Callable[[str], object] = lambda sku: LINUX | {"sku": sku}
        self.requests: list[tuple[str, dict[str, str]]] = []


class Handler(PlayedHandler):
    """Keeps each request and answers it."""

    server: Server

    def answer(self) -> None:
        self.server.requests.append((self.path, dict(self.headers.items())))
        body = self.server.body(self.path.rpartition("/")[2])
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(data)

    do_GET = answer  # noqa: N815 - http.server's name


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server(events: list[Any]) -> Iterator[Server]:
    """Return a catalogue that listens."""
    del events
    with serving(Server()) as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    """Return the time."""
    return Clock()


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return where it counts."""
    return CollectorRegistry()


@pytest.fixture
def catalogue(server: Server, clock: Clock, registry: CollectorRegistry) -> Iterator[HttpCatalogue]:
    """Return our side of it, which keeps products for 30 seconds."""
    url = f"http://127.0.0.1:{server.server_port}/"
    catalogue = HttpCatalogue(url, CatalogueMetrics(registry), cache_seconds=30, clock=clock)
    yield catalogue
    catalogue.close()


def test_a_product_is_asked_for_by_its_sku_within_the_trace(
    server: Server, catalogue: HttpCatalogue
) -> None:
    with trace.traced(PARENT):
        found = catalogue.look_up(["Linux"])

    assert found == {"Linux": Product("Linux", "Linux Administration", 199_900)}
    ((path, headers),) = server.requests
    assert path == "/products/Linux"
    assert headers["traceparent"] == PARENT


def test_a_sku_cannot_lead_elsewhere(server: Server, catalogue: HttpCatalogue) -> None:
    server.status = 404

    catalogue.look_up(["a b?c#d%e&é"])

    assert [path for path, _ in server.requests] == ["/products/a%20b%3Fc%23d%25e%26%C3%A9"]


def test_a_price_is_kept_as_long_as_it_is_fresh_and_not_longer(
    server: Server, catalogue: HttpCatalogue, clock: Clock, registry: CollectorRegistry
) -> None:
    catalogue.look_up(["Linux"])
    server.body = lambda sku: LINUX | {"sku": sku, "priceMinor": 1}
    clock.now += 29.9
    kept = catalogue.look_up(["Linux"])["Linux"]
    clock.now += 0.1
    fresh = catalogue.look_up(["Linux"])["Linux"]

    assert isinstance(kept, Product)
    assert isinstance(fresh, Product)
    assert (kept.price, fresh.price, len(server.requests)) == (199_900, 1, 2)
    sample = "skillupworks_catalogue_products_total"
    assert registry.get_sample_value(sample, {"outcome": "cached"}) == 1
    assert registry.get_sample_value(sample, {"outcome": "found"}) == 2


def test_an_old_price_is_not_shown_when_the_catalogue_is_away(
    server: Server, catalogue: HttpCatalogue, clock: Clock
) -> None:
    catalogue.look_up(["Linux"])
    server.status = 503
    clock.now += 30

    assert catalogue.look_up(["Linux"]) == {"Linux": Absent.AWAY}


def test_what_is_kept_is_bounded(
    server: Server, catalogue: HttpCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue_client, "CACHE_SIZE", 20)
    skus = [f"sku-{number}" for number in range(21)]
    catalogue.look_up(skus)
    server.requests.clear()

    catalogue.look_up([skus[-1]])
    assert server.requests == []
    catalogue.look_up([skus[0]])
    assert len(server.requests) == 1


def test_a_product_that_is_not_there_is_unknown_and_may_appear(
    server: Server, catalogue: HttpCatalogue
) -> None:
    server.status = 404
    assert catalogue.look_up(["Linux"]) == {"Linux": Absent.UNKNOWN}

    server.status = 200
    assert isinstance(catalogue.look_up(["Linux"])["Linux"], Product)


@pytest.mark.parametrize("status", [301, 400, 401, 429, 500, 503])
def test_a_catalogue_that_is_unwell_is_away_and_left_alone_for_a_while(
    server: Server, catalogue: HttpCatalogue, clock: Clock, status: int
) -> None:
    server.status = status

    assert catalogue.look_up(["Linux", "Git"]) == {"Linux": Absent.AWAY, "Git": Absent.AWAY}
    assert len(server.requests) == 1
    server.status = 200
    assert catalogue.look_up(["Linux"]) == {"Linux": Absent.AWAY}
    clock.now += PAUSE_SECONDS
    assert isinstance(catalogue.look_up(["Linux"])["Linux"], Product)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b" " * 70_000 + json.dumps(LINUX).encode(),
        LINUX | {"sku": "Git"},
        LINUX | {"priceMinor": 1999.5},
        LINUX | {"priceMinor": "199900"},
        LINUX | {"priceMinor": -1},
        LINUX | {"priceMinor": 10**12},
        LINUX | {"currency": "USD"},
        LINUX | {"name": "two\nlines"},
        {"sku": "Linux", "name": "Linux Administration", "price": 1999},
    ],
    ids=str,
)
def test_an_answer_that_is_not_right_gives_no_price_and_does_not_stop_the_others(
    server: Server, catalogue: HttpCatalogue, body: object, events: list[Any]
) -> None:
    server.body = lambda sku: LINUX | {"sku": sku} if sku == "Shell" else body

    found = catalogue.look_up(["Linux", "Shell"])

    assert found["Linux"] is Absent.AWAY
    assert isinstance(found["Shell"], Product)
    assert ["away"] == [event["outcome"] for event in events]


def test_a_catalogue_that_hangs_costs_a_moment(
    server: Server, catalogue: HttpCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue_client, "REPLY_SECONDS", 0.1)
    url = f"http://127.0.0.1:{server.server_port}"
    quick = HttpCatalogue(url, CatalogueMetrics(CollectorRegistry()), cache_seconds=30)
    server.body = lambda _: time.sleep(5)
    began = time.monotonic()

    found = quick.look_up(f"sku-{number}" for number in range(50))

    assert set(found.values()) == {Absent.AWAY}
    assert time.monotonic() - began < 2
    # one, and once more in case that its connection had just been closed
    assert len(server.requests) == 2
    quick.close()
    del catalogue


def test_a_request_is_repeated_after_a_random_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", waited.append)
    for _ in range(20):
        error = ProtocolError("the connection was closed")
        catalogue_client.RETRIES.increment("GET", "/products/Linux", error=error).sleep()

    assert len(set(waited)) > 10
    assert all(0 <= seconds <= JITTER_SECONDS for seconds in waited)


def test_a_slow_catalogue_gets_so_much_time_for_a_cart_and_no_more(
    server: Server, catalogue: HttpCatalogue, clock: Clock
) -> None:
    def body(sku: str) -> object:
        clock.now += 0.9
        return LINUX | {"sku": sku}

    server.body = body

    found = catalogue.look_up(["One", "Two", "Three", "Four", "Five"])

    assert [isinstance(product, Product) for product in found.values()] == [True] * 3 + [False] * 2


def test_nobody_there_is_away_and_said_to_be(events: list[Any]) -> None:
    catalogue = HttpCatalogue(
        "http://127.0.0.1:9", CatalogueMetrics(CollectorRegistry()), cache_seconds=30
    )

    assert catalogue.look_up(["Linux"]) == {"Linux": Absent.AWAY}
    problem = catalogue.check()
    assert problem is not None
    assert problem.startswith("catalogue http://127.0.0.1:9: ")
    assert len(events) == 1


def test_the_check_asks_for_its_health(server: Server, catalogue: HttpCatalogue) -> None:
    assert catalogue.check() is None
    server.status = 500
    assert (catalogue.check() or "").endswith("answers 500")
    assert {path for path, _ in server.requests} == {"/health"}
