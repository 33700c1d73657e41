"""The order processor's handler says exactly the documented lines, and each order's once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from skillupworks.errors import PermanentError
from skillupworks.messaging.message import Outcome
from skillupworks.runtime import trace
from skillupworks.shop.address import Address, read_address
from skillupworks.shop.order import Order
from skillupworks.shop.order_handler import OrderHandler, order_seconds
from skillupworks.shop.order_lines import READY_LINE, STARTING_LINE
from skillupworks.shop.order_message import parse_order

from .conftest import DeliveryMaker
from .stubs import MemoryUnit

DOCUMENTED = """\
📦 NEW ORDER RECEIVED
Order ID: ORD-1702554000123
User: session-12345
Total: ₹2500.00
Items: 2
  - Linux x 1 = ₹1999
  - Shipping Cost x 1 = ₹501

🔄 Processing order...
✅ Order processed successfully!"""

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def order(delivery: DeliveryMaker) -> Order:
    """Return the order of the documented journal lines."""
    items = [
        {"sku": "Linux", "name": "Linux Administration", "price": 1999, "quantity": 1},
        {"sku": "Shipping Cost", "name": "Shipping Cost", "price": 501, "quantity": 1},
    ]
    return parse_order(delivery({"sessionId": "session-12345", "items": items, "total": 2500}))


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return where the handler's metrics are."""
    return CollectorRegistry()


@pytest.fixture
def woken() -> list[int]:
    """Return a list that grows when somebody is told of new effects."""
    return []


@pytest.fixture
def handle(registry: CollectorRegistry, woken: list[int]) -> OrderHandler:
    """Return a handler of orders with two effects."""
    effects = ("email", "warehouse")
    return OrderHandler(effects, lambda: woken.append(1), order_seconds(registry))


def lines(events: list[Any]) -> str:
    return "\n".join(event["event"] for event in events)


@pytest.mark.parametrize("alone", [True, False])
def test_a_new_order_is_recorded_and_said_as_documented(
    handle: OrderHandler, order: Order, events: list[Any], *, alone: bool
) -> None:
    unit = MemoryUnit(alone=alone)

    outcome = handle(order, unit)
    unit.commit()

    assert outcome is Outcome.PROCESSED
    assert lines(events) == DOCUMENTED
    placed_at = datetime(2024, 12, 14, 10)  # noqa: DTZ001 - the database's own, in UTC
    assert unit.rows["orders"] == [
        (
            *("ORD-1702554000123", "pay_1234567890", "session-12345", "507f1f77bcf86cd799439011"),
            *("INR", 250000, placed_at, None),
        )
    ]
    assert unit.rows["order_items"] == [
        ("ORD-1702554000123", 1, "Linux", "Linux Administration", 199900, 1),
        ("ORD-1702554000123", 2, "Shipping Cost", "Shipping Cost", 50100, 1),
    ]


def test_where_it_goes_is_recorded_and_not_said(
    handle: OrderHandler, order: Order, events: list[Any]
) -> None:
    address = Address("Asha Rao", "12 Hill Road", "400050", "Mumbai", "Maharashtra", "IN", "98200")
    unit = MemoryUnit()

    handle(order._replace(address=address), unit)
    unit.commit()

    assert read_address(str(unit.rows["orders"][0][-1])) == address
    assert not any(word in str(events) for word in address)


def test_nothing_is_said_before_the_commit(
    handle: OrderHandler, order: Order, events: list[Any], woken: list[int]
) -> None:
    handle(order, MemoryUnit())

    assert events == []
    assert woken == []


def test_the_effects_are_recorded_with_the_order_and_its_trace(
    handle: OrderHandler, order: Order, events: list[Any], woken: list[int]
) -> None:
    del events
    unit = MemoryUnit()

    with trace.traced(PARENT):
        handle(order, unit)
    unit.commit()

    email, warehouse = unit.rows["effects"]
    assert email[:3] == ("email", "ORD-1702554000123", PARENT)
    assert warehouse[:3] == ("warehouse", "ORD-1702554000123", PARENT)
    assert woken == [1]


def test_every_line_has_the_order_and_its_trace_and_the_result_everything(
    handle: OrderHandler, order: Order, events: list[Any]
) -> None:
    unit = MemoryUnit()

    with trace.traced(PARENT):
        handle(order, unit)
        unit.commit()

    names = {"order_id": "ORD-1702554000123", "trace_id": trace.trace_id(PARENT)}
    assert all(names.items() <= event.items() for event in events)
    assert [event for event in events if "outcome" in event] == [
        names
        | {
            "event": "✅ Order processed successfully!",
            "log_level": "info",
            "message_id": "message-1",
            "attempt": 2,
            "outcome": "processed",
            "duration_ms": 1.5,
        }
    ]


def test_a_duplicate_message_has_one_line(
    handle: OrderHandler, order: Order, events: list[Any]
) -> None:
    handle.duplicate(order, MemoryUnit())

    assert [event["outcome"] for event in events] == ["duplicate"]
    assert "ORD-1702554000123" in events[0]["event"]
    assert events[0]["order_id"] == "ORD-1702554000123"


def test_an_order_that_comes_again_as_another_message_is_a_duplicate(
    handle: OrderHandler, order: Order, events: list[Any], woken: list[int]
) -> None:
    unit = MemoryUnit(alone=True, found=[("pay_1234567890", 250000)])

    outcome = handle(order, unit)
    unit.commit()

    assert outcome is Outcome.DUPLICATE
    assert unit.rows == {}
    assert [event["outcome"] for event in events] == ["duplicate"]
    assert woken == []


@pytest.mark.parametrize("recorded", [("pay_another", 250000), ("pay_1234567890", 250001)])
def test_another_order_under_the_same_id_is_a_conflict(
    handle: OrderHandler, order: Order, recorded: tuple[str, int]
) -> None:
    with pytest.raises(PermanentError, match=r"^orderId: ORD-1702554000123 is ") as caught:
        handle(order, MemoryUnit(alone=True, found=[recorded]))

    assert caught.value.reason == "conflict"


def test_an_order_whose_commit_was_not_answered_is_said_when_it_comes_again(
    handle: OrderHandler, order: Order, events: list[Any], woken: list[int]
) -> None:
    unit = MemoryUnit(alone=True, recorded=True, found=[("pay_1234567890", 250000)])

    outcome = handle(order, unit)
    unit.commit()

    assert outcome is Outcome.PROCESSED
    assert unit.rows == {}
    assert lines(events) == DOCUMENTED
    assert woken == [1]


@pytest.mark.parametrize(("age", "observed"), [(2.0, 2.0), (-7200.0, 0.0)])
def test_the_seconds_since_the_order_was_accepted_are_never_negative(  # noqa: PLR0913
    handle: OrderHandler,
    order: Order,
    registry: CollectorRegistry,
    events: list[Any],
    *,
    age: float,
    observed: float,
) -> None:
    del events
    unit = MemoryUnit()

    handle(order._replace(timestamp=datetime.now(UTC) - timedelta(seconds=age)), unit)
    unit.commit()

    seconds = registry.get_sample_value("skillupworks_order_seconds_sum")
    assert seconds == pytest.approx(observed, abs=0.5)


def test_the_lines_of_the_start_are_the_documented_ones() -> None:
    assert STARTING_LINE == "skillupworks Order Processing Service Starting..."
    assert READY_LINE == "✓ Ready to process orders! Waiting for messages..."
