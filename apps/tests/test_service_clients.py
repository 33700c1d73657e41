"""The catalogue and the shipping service as payment asks them: bounded, and repeated once."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from skillupworks.runtime import http_client
from skillupworks.runtime.http_client import (
    JITTER_SECONDS,
    PAUSE_SECONDS,
    ServiceAwayError,
    ServiceClient,
)
from skillupworks.runtime.problems import ProblemError
from skillupworks.shop.shipping_client import HttpQuotes, Quoted
from skillupworks.shop.stock_client import HttpStock, Reserved, StockRefusedError

from .played_servers import PlayedHandler, PlayedHttpServer, serving
from .test_catalogue_client import Clock

HELD = {
    "orderId": "ORD-1",
    "items": [
        {
            "sku": "Linux",
            "quantity": 2,
            "name": "Linux Administration",
            "priceMinor": 199_900,
            "weightGrams": 640,
        }
    ],
}
SHORT = {
    "code": "out_of_stock",
    "errors": [{"field": "items[0].quantity", "message": "1 is left"}],
}


class Server(PlayedHttpServer):
    """A service that answers `status` and `body`; it hangs up `drops` times before."""

    def __init__(self) -> None:
        super().__init__(Handler)
        self.status = 200
        self.body: object = {}
        self.drops = 0
        self.requests: list[tuple[str, str, bytes]] = []


class Handler(PlayedHandler):
    """Keeps each request and answers it."""

    server: Server

    def answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.requests.append((self.command, self.path, content))
        if self.server.drops:
            self.server.drops -= 1
            self.close_connection = True
            return
        data = b"" if self.server.status == 204 else json.dumps(self.server.body).encode()
        self.send_response(self.server.status)
        if data:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - http.server's names


@pytest.fixture
def server(events: list[Any]) -> Iterator[Server]:
    """Return a service that listens."""
    del events
    with serving(Server()) as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    """Return the time."""
    return Clock()


@pytest.fixture
def client(server: Server, clock: Clock) -> Iterator[ServiceClient]:
    """Return our side of it."""
    client = ServiceClient("catalogue", f"http://127.0.0.1:{server.server_port}/", clock=clock)
    yield client
    client.close()


def test_stock_is_reserved_with_what_it_costs(server: Server, client: ServiceClient) -> None:
    server.body = HELD

    reserved = HttpStock(client).reserve("ORD-1", {"Linux": 2})

    assert reserved == [Reserved("Linux", "Linux Administration", 199_900, 640, 2)]
    ((method, path, content),) = server.requests
    assert (method, path) == ("PUT", "/reservations/ORD-1")
    assert json.loads(content) == {"items": [{"sku": "Linux", "quantity": 2}]}


def test_stock_is_sold_and_given_back(server: Server, client: ServiceClient) -> None:
    server.body = {
        "committed": ["ORD-1", "ORD-3"],
        "refused": [{"orderId": "ORD-4", "code": "expired"}],
    }
    refused = HttpStock(client).commit(["ORD-1", "ORD-3", "ORD-4"])
    server.status = 204
    HttpStock(client).release("ORD-2")

    assert refused == {"ORD-4": "expired"}
    (_, _, content), _ = server.requests
    assert json.loads(content) == {"orderIds": ["ORD-1", "ORD-3", "ORD-4"]}
    assert [request[:2] for request in server.requests] == [
        ("POST", "/commits"),
        ("DELETE", "/reservations/ORD-2"),
    ]


@pytest.mark.parametrize(("status", "code"), [(409, "out_of_stock"), (422, None)])
def test_a_shortage_is_passed_on(
    server: Server, client: ServiceClient, status: int, code: str | None
) -> None:
    server.status, server.body = status, SHORT

    with pytest.raises(ProblemError, match=r"^items\[0\]\.quantity: 1 is left$") as caught:
        HttpStock(client).reserve("ORD-1", {"Linux": 2})

    assert (caught.value.status, caught.value.code) == (status, code)


def test_what_is_sold_is_not_given_back(server: Server, client: ServiceClient) -> None:
    server.status, server.body = 409, {"code": "committed"}

    with pytest.raises(StockRefusedError, match="committed"):
        HttpStock(client).release("ORD-1")


@pytest.mark.parametrize(
    "body", [{}, {"committed": [], "refused": []}, {"committed": ["ORD-2"], "refused": []}]
)
def test_an_order_of_which_nothing_is_said_is_not_taken_for_sold(
    server: Server, client: ServiceClient, body: object
) -> None:
    server.body = body

    with pytest.raises(ServiceAwayError):
        HttpStock(client).commit(["ORD-1"])


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, {}), (200, HELD | {"items": []}), (200, []), (500, {}), (503, {}), (302, {}), (409, {})],
)
def test_an_answer_that_makes_no_sense_is_none(
    server: Server, client: ServiceClient, status: int, body: object
) -> None:
    server.status, server.body = status, body

    with pytest.raises(ServiceAwayError):
        HttpStock(client).reserve("ORD-1", {"Linux": 2})


def test_a_request_whose_answer_is_lost_is_repeated_once(
    server: Server, client: ServiceClient
) -> None:
    server.drops, server.body = 1, HELD
    HttpStock(client).reserve("ORD-1", {"Linux": 2})
    assert len(server.requests) == 2

    server.drops = 5
    with pytest.raises(ServiceAwayError):
        HttpStock(client).reserve("ORD-1", {"Linux": 2})
    assert len(server.requests) == 4


def test_before_a_request_is_repeated_a_random_moment_passes(server: Server) -> None:
    waited: list[float] = []
    url = f"http://127.0.0.1:{server.server_port}"
    client = ServiceClient("catalogue", url, wait=waited.append)
    for _ in range(20):
        server.drops = 1
        client.call("GET", "/quotes")
    client.call("GET", "/quotes")
    client.close()

    assert len(waited) == 20
    assert len(set(waited)) > 10
    assert all(0 <= seconds <= JITTER_SECONDS for seconds in waited)


def test_a_service_that_failed_is_left_alone_for_a_moment(
    server: Server, client: ServiceClient, clock: Clock
) -> None:
    server.drops = 2
    for _ in range(2):
        with pytest.raises(ServiceAwayError):
            HttpStock(client).reserve("ORD-1", {"Linux": 2})
    assert len(server.requests) == 2

    clock.now += PAUSE_SECONDS
    server.body = HELD
    HttpStock(client).reserve("ORD-1", {"Linux": 2})


def test_no_more_time_is_taken_than_there_is(
    server: Server, client: ServiceClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "CALL_SECONDS", 0.0)

    with pytest.raises(ServiceAwayError):
        client.call("GET", "/quotes")
    assert server.requests == []


def test_readiness_asks_for_its_health(server: Server, client: ServiceClient) -> None:
    assert client.check() is None
    server.status = 500
    assert str(client.check()).endswith("answers 500")


def test_a_quote_is_asked_by_city_and_weight(server: Server, client: ServiceClient) -> None:
    city = {"id": 1277333, "country": "IN", "name": "Bengaluru", "region": "Karnataka"}
    server.body = {"priceMinor": 8215, "currency": "INR", "parts": [], "city": city}

    quoted = HttpQuotes(client).quote(1277333, 640)

    assert quoted == Quoted(8215, "Bengaluru", "Karnataka", "IN")
    assert server.requests[0][:2] == ("GET", "/quotes?city=1277333&weight=640")


def test_a_city_that_is_not_known_and_a_parcel_that_is_too_heavy_are_named(
    server: Server, client: ServiceClient
) -> None:
    server.status = 404
    with pytest.raises(ProblemError, match=r"^shipping\.city: there is no city 1$"):
        HttpQuotes(client).quote(1, 640)
    with pytest.raises(ProblemError, match=r"^shipping: 30001 g are more"):
        HttpQuotes(client).quote(1, 30_001)


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, {}), (200, {"priceMinor": 8215, "currency": "INR"}), (422, {}), (500, {})],
)
def test_a_quote_that_makes_no_sense_is_none(
    server: Server, client: ServiceClient, status: int, body: object
) -> None:
    server.status, server.body = status, body

    with pytest.raises(ServiceAwayError):
        HttpQuotes(client).quote(1, 640)
