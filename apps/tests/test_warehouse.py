"""The warehouse is told of an order by HTTP, with the order's id as the key."""

import json
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from skillupworks.errors import BackEndUnavailableError, PermanentError, TransientError
from skillupworks.reliability.effects import Effect
from skillupworks.runtime import trace
from skillupworks.shop.warehouse import Warehouse

from .conftest import ORDER_MESSAGE

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
EFFECT = Effect("ORD-1702554000123", PARENT, 2, json.dumps(ORDER_MESSAGE))


class Receiver(ThreadingHTTPServer):
    """A warehouse that answers with `status` and `answer`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 201
        self.answer = b"{}"
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.connections = 0

    @property
    def url(self) -> str:
        """Where orders are posted to."""
        return f"http://127.0.0.1:{self.server_port}/notices"

    def handle_error(self, *_: object) -> None:
        """Print nothing when the client has hung up."""


class Handler(BaseHTTPRequestHandler):
    """Keeps each request and answers it."""

    protocol_version = "HTTP/1.1"
    server: Receiver

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers.items()), body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def receiver(events: list[Any]) -> Iterator[Receiver]:
    """Return a warehouse that listens."""
    del events
    with Receiver() as receiver:
        thread = Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield receiver
        receiver.shutdown()
        thread.join()


@pytest.fixture
def warehouse(receiver: Receiver) -> Iterator[Warehouse]:
    """Return our side of it."""
    warehouse = Warehouse(receiver.url)
    yield warehouse
    warehouse.close()


def test_the_order_is_posted_with_its_key_and_trace(
    receiver: Receiver, warehouse: Warehouse, events: list[Any]
) -> None:
    with trace.traced(PARENT):
        warehouse.deliver(EFFECT)

    ((path, headers, body),) = receiver.requests
    assert path == "/notices"
    assert json.loads(body) == ORDER_MESSAGE
    assert headers["Idempotency-Key"] == "ORD-1702554000123"
    assert headers["traceparent"] == PARENT
    assert headers["Content-Type"] == "application/json"
    assert "Authorization" not in headers
    assert [("📦 Warehouse notified", "delivered", 3, 201)] == [
        (event["event"], event["outcome"], event["attempt"], event["status"]) for event in events
    ]


def test_a_token_is_sent_and_never_shown(receiver: Receiver) -> None:
    warehouse = Warehouse(receiver.url, "s3cret")
    receiver.status = 403

    with pytest.raises(BackEndUnavailableError) as caught:
        warehouse.deliver(EFFECT)
    warehouse.close()

    assert receiver.requests[0][1]["Authorization"] == "Bearer s3cret"
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("status", [200, 202, 204, 409])
def test_a_notice_that_is_known_already_is_done_too(
    receiver: Receiver, warehouse: Warehouse, status: int
) -> None:
    receiver.status = status
    receiver.answer = b""

    warehouse.deliver(EFFECT)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, PermanentError),
        (413, PermanentError),
        (422, PermanentError),
        (408, TransientError),
        (500, TransientError),
        (507, TransientError),
        (301, BackEndUnavailableError),
        (401, BackEndUnavailableError),
        (404, BackEndUnavailableError),
        (429, BackEndUnavailableError),
        (502, BackEndUnavailableError),
        (503, BackEndUnavailableError),
        (504, BackEndUnavailableError),
    ],
)
def test_an_answer_concerns_the_order_or_all(
    receiver: Receiver, warehouse: Warehouse, status: int, kind: type
) -> None:
    receiver.status = status
    receiver.answer = b"no such sku:\nLinux"

    with pytest.raises(kind, match=f"{status} no such sku: Linux$") as caught:
        warehouse.deliver(EFFECT)

    assert type(caught.value) is kind
    assert len(receiver.requests) == 1  # a redirect is not followed


def test_notices_go_over_one_connection(receiver: Receiver, warehouse: Warehouse) -> None:
    for _ in range(3):
        warehouse.deliver(EFFECT)

    assert len(receiver.requests) == 3
    assert receiver.connections == 1


def test_of_a_long_answer_only_the_beginning_is_read(
    receiver: Receiver, warehouse: Warehouse
) -> None:
    receiver.status, receiver.answer = 422, b"x" * 1_000_000

    with pytest.raises(PermanentError) as caught:
        warehouse.deliver(EFFECT)
    receiver.status = 200
    warehouse.deliver(EFFECT)

    assert len(str(caught.value)) < 400


def test_a_warehouse_that_is_away_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/notices"

    with pytest.raises(BackEndUnavailableError, match=rf"^warehouse {url}: .*Connection refused"):
        Warehouse(url).deliver(EFFECT)
