"""What the tests of the services share."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from structlog.testing import LogCapture

from skillupworks.messaging import link as link_module
from skillupworks.messaging.connection import Broker
from skillupworks.messaging.message import Delivery
from skillupworks.runtime.backoff import Backoff

from .played_broker import PlayedBroker
from .running_consumer import Running, Start

# the message of the shop's documentation, field by field
ORDER_MESSAGE: dict[str, Any] = {
    "orderId": "ORD-1702554000123",
    "sessionId": "user-session-123",
    "userId": "507f1f77bcf86cd799439011",
    "items": [{"sku": "Linux", "name": "Linux Administration", "price": 1999, "quantity": 1}],
    "total": 1999,
    "timestamp": "2024-12-14T10:00:00Z",
    "paymentId": "pay_1234567890",
}

# the machine may be busy with the lab's guests: slow is no failure here
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

DeliveryMaker = Callable[..., Delivery]


@pytest.fixture
def delivery() -> DeliveryMaker:
    """Return a maker of deliveries of the documented message, with changes."""

    def make(changes: dict[str, Any] | None = None, **properties: Any) -> Delivery:
        body = json.dumps(ORDER_MESSAGE | (changes or {})).encode()
        return Delivery(**{"body": body, "message_id": "message-1"} | properties)

    return make


@pytest.fixture
def broker() -> Iterator[PlayedBroker]:
    """Play a broker."""
    broker = PlayedBroker()
    yield broker
    broker.close()


@pytest.fixture
def start(broker: PlayedBroker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Return a starter of consumers, which are stopped at the end."""
    monkeypatch.setattr(Backoff, "next_pause", lambda _self: 0.01)
    monkeypatch.setattr(link_module, "CLOSE_SECONDS", 0.2)
    started: list[Running] = []

    def start(*args: Any, address: Broker | None = None, **changes: Any) -> Running:
        started.append(Running(address or broker.address, *args, **changes))
        return started[-1]

    yield start
    for running in started:
        for _ in range(2):
            running.consumer.stop()
        running.join()


@pytest.fixture
def events() -> Iterator[list[Any]]:
    """Capture what is logged, with the fields bound around it."""
    capture = LogCapture()
    before = structlog.get_config()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, capture],
        cache_logger_on_first_use=False,
    )
    yield capture.entries
    structlog.configure(**before)
