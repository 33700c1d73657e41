"""The order processor's handler says exactly the documented lines, and each order's once."""

from typing import Any

import pytest

from skillupworks.messaging.message import Outcome
from skillupworks.shop.order import Order
from skillupworks.shop.order_handler import handle_order
from skillupworks.shop.order_lines import READY_LINE, STARTING_LINE
from skillupworks.shop.order_message import parse_order

from .conftest import DeliveryMaker
from .stubs import MemoryOrderUnit

DOCUMENTED = """\
📦 NEW ORDER RECEIVED
Order ID: ORD-1702554000123
User: session-12345
Total: ₹2500.00
Items: 2
  - Linux x 1 = ₹1999
  - Shipping Cost x 1 = ₹501

🔄 Processing order...
✅ Order processed successfully!
📧 Confirmation email sent (simulated)
📦 Warehouse notified (simulated)"""


@pytest.fixture
def order(delivery: DeliveryMaker) -> Order:
    """Return the order of the documented journal lines."""
    items = [
        {"sku": "Linux", "name": "Linux Administration", "price": 1999, "quantity": 1},
        {"sku": "Shipping Cost", "name": "Shipping Cost", "price": 501, "quantity": 1},
    ]
    return parse_order(delivery({"sessionId": "session-12345", "items": items, "total": 2500}))


def lines(events: list[Any]) -> str:
    return "\n".join(event["event"] for event in events)


def test_a_new_order_is_recorded_and_said_as_documented(order: Order, events: list[Any]) -> None:
    unit = MemoryOrderUnit()

    outcome = handle_order(order, unit)
    unit.commit()

    assert outcome is Outcome.PROCESSED
    assert [order] == unit.orders
    assert lines(events) == DOCUMENTED


def test_nothing_is_called_processed_before_the_commit(order: Order, events: list[Any]) -> None:
    handle_order(order, MemoryOrderUnit())

    assert lines(events) == DOCUMENTED.partition("\n✅")[0]


def test_every_line_carries_the_order_and_the_result_its_outcome(
    order: Order, events: list[Any]
) -> None:
    unit = MemoryOrderUnit()

    handle_order(order, unit)
    unit.commit()

    assert {"ORD-1702554000123"} == {event["order_id"] for event in events}
    results = [event for event in events if "outcome" in event]
    assert [("processed", 1.5)] == [(event["outcome"], event["duration_ms"]) for event in results]


def test_a_duplicate_message_has_one_line_and_no_effect(order: Order, events: list[Any]) -> None:
    unit = MemoryOrderUnit(seen_message=True)

    outcome = handle_order(order, unit)
    unit.commit()

    assert outcome is Outcome.DUPLICATE
    assert unit.orders == []
    assert [event["outcome"] for event in events] == ["duplicate"]
    assert "ORD-1702554000123" in events[0]["event"]


def test_an_order_that_comes_again_as_another_message_is_a_duplicate(
    order: Order, events: list[Any]
) -> None:
    unit = MemoryOrderUnit(seen_order=True)

    outcome = handle_order(order, unit)
    unit.commit()

    assert outcome is Outcome.DUPLICATE
    assert "✅" not in lines(events)


def test_the_lines_of_the_start_are_the_documented_ones() -> None:
    assert STARTING_LINE == "skillupworks Order Processing Service Starting..."
    assert READY_LINE == "✓ Ready to process orders! Waiting for messages..."
