"""A service without HTTP of its own answers monitoring on a small server."""

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from prometheus_client import CollectorRegistry

from skillupworks.messaging.metrics import ConsumerMetrics
from skillupworks.runtime.health import Readiness
from skillupworks.runtime.ops_server import OpsServer, create_ops_app


@pytest.fixture
def problems() -> dict[str, str | None]:
    """Return what is wrong with the service's dependencies, to be changed."""
    return {"rabbitmq": None}


@pytest.fixture
def server(problems: dict[str, str | None]) -> Iterator[OpsServer]:
    """Return a running server on a free port."""
    registry = CollectorRegistry()
    ConsumerMetrics(registry, "order-processing").processed.inc()
    readiness = Readiness(checks={"rabbitmq": lambda: problems["rabbitmq"]}, degraded={})
    server = OpsServer(create_ops_app(readiness, registry), "127.0.0.1", 0)
    yield server
    server.close()


def get(server: OpsServer, path: str, method: str = "GET") -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_health_answers_as_long_as_the_process_lives(server: OpsServer) -> None:
    assert get(server, "/health") == (200, '{"status": "up"}')


def test_ready_names_what_fails(server: OpsServer, problems: dict[str, str | None]) -> None:
    assert get(server, "/ready")[0] == 200

    problems["rabbitmq"] = "Connection refused"
    status, body = get(server, "/ready")

    assert status == 503
    assert json.loads(body)["checks"] == {"rabbitmq": "Connection refused"}


def test_metrics_are_in_prometheus_format(server: OpsServer) -> None:
    status, text = get(server, "/metrics")

    assert status == 200
    assert 'skillupworks_consumer_processed_total{queue="order-processing"} 1.0' in text


def test_anything_else_is_refused(server: OpsServer) -> None:
    assert get(server, "/nothing")[0] == 404
    assert get(server, "/health", "POST")[0] == 405


def test_an_address_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}: Address already"):
            OpsServer(lambda _environ, _start: [], "127.0.0.1", port)
