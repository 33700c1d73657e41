"""Orders in MySQL, written within the unit of their message."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any, Protocol

from skillupworks.runtime.database import Cursor
from skillupworks.shop.address import read_address, stored_address
from skillupworks.shop.money import CURRENCY
from skillupworks.shop.order import Line, Order
from skillupworks.shop.order_message import write_order

__all__ = ["SCRIPTS", "OrderUnit", "add_order", "order_messages", "recorded_order"]

SCRIPTS = "skillupworks.shop:migrations/orders"

INSERT_ORDER = (
    "INSERT INTO orders (order_id, payment_id, session_id, user_id, currency, total_minor, state,"
    " placed_at, address, processed_at)"
    " VALUES (%s, %s, %s, %s, %s, %s, 'processed', %s, %s, UTC_TIMESTAMP(6))"
)
INSERT_LINE = (
    "INSERT INTO order_items (order_id, line, sku, name, price_minor, quantity)"
    " VALUES (%s, %s, %s, %s, %s, %s)"
)
SELECT_ORDERS = (
    "SELECT order_id, session_id, user_id, total_minor, placed_at, payment_id, address"
    " FROM orders WHERE order_id IN %s"
)
SELECT_LINES = (
    "SELECT order_id, sku, name, price_minor, quantity FROM order_items"
    " WHERE order_id IN %s ORDER BY order_id, line"
)
SELECT_ORDER = "SELECT payment_id, total_minor FROM orders WHERE order_id = %s"


class OrderUnit(Protocol):
    """What is needed of the unit of an order's message; see reliability.unit.Unit."""

    message_id: str
    attempt: int
    alone: bool
    recorded: bool

    def insert(self, statement: str, *rows: Sequence[object]) -> None:
        """Insert rows before the commit."""

    def execute(
        self, statement: str, parameters: Sequence[object] = ()
    ) -> Sequence[tuple[Any, ...]]:
        """Run a statement at once."""

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run `action` once everything is committed."""

    def elapsed_ms(self) -> float:
        """Return the milliseconds since the attempt began."""


def add_order(unit: OrderUnit, order: Order) -> None:
    """Record an order and its lines; the unit's commit fails if the order is there already."""
    unit.insert(
        INSERT_ORDER,
        (
            order.order_id,
            order.payment_id,
            order.session_id,
            order.user_id,
            CURRENCY,
            order.total,
            order.timestamp.replace(tzinfo=None),
            stored_address(order.address),
        ),
    )
    unit.insert(
        INSERT_LINE,
        *[
            (order.order_id, number, line.sku, line.name, line.price, line.quantity)
            for number, line in enumerate(order.items, start=1)
        ],
    )


def recorded_order(unit: OrderUnit, order_id: str) -> tuple[str, int] | None:
    """Return payment id and total of an order that is recorded already."""
    rows = unit.execute(SELECT_ORDER, (order_id,))
    return (rows[0][0], rows[0][1]) if rows else None


def order_messages(cursor: Cursor, order_ids: Sequence[str]) -> dict[str, str]:
    """Return the messages of recorded orders, by order id, as they were published."""
    cursor.execute(SELECT_LINES, (order_ids,))
    lines = defaultdict(list)
    for order_id, *line in cursor.fetchall():
        lines[order_id].append(Line(*line))
    cursor.execute(SELECT_ORDERS, (order_ids,))
    orders = cursor.fetchall()
    return {
        order_id: write_order(
            Order(
                order_id=order_id,
                session_id=session_id,
                user_id=user_id,
                items=tuple(lines[order_id]),
                total=total,
                timestamp=placed_at.replace(tzinfo=UTC),
                payment_id=payment_id,
                address=read_address(address),
            )
        ).decode()
        for order_id, session_id, user_id, total, placed_at, payment_id, address in orders
    }
