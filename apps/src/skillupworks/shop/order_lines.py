"""The journal lines of an order, as the shop's runbook shows and greps for them."""

from skillupworks.shop.money import format_amount, format_total
from skillupworks.shop.order import Order

__all__ = ["READY_LINE", "STARTING_LINE", "duplicate_line", "processed_lines", "received_lines"]

STARTING_LINE = "skillupworks Order Processing Service Starting..."
READY_LINE = "✓ Ready to process orders! Waiting for messages..."


def received_lines(order: Order) -> list[str]:
    """Return what is said when an order is new and its processing begins."""
    return [
        "📦 NEW ORDER RECEIVED",
        f"Order ID: {order.order_id}",
        f"User: {order.session_id}",
        f"Total: {format_total(order.total)}",
        f"Items: {len(order.items)}",
        *(
            f"  - {line.sku} x {line.quantity} = {format_amount(line.total)}"
            for line in order.items
        ),
        "",
        "🔄 Processing order...",
    ]


def processed_lines() -> list[str]:
    """Return what is said when the order is in the database; the first line is the result."""
    return [
        "✅ Order processed successfully!",
        "📧 Confirmation email sent (simulated)",
        "📦 Warehouse notified (simulated)",
    ]


def duplicate_line(order: Order) -> str:
    """Return what is said about an order whose effect is there already."""
    return f"Duplicate of order {order.order_id}: processed before, acknowledged without effect"
