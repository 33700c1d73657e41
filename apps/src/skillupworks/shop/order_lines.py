"""The journal lines of an order, as the shop's runbook shows and greps for them."""

from skillupworks.shop.money import format_amount, format_total
from skillupworks.shop.order import Order

__all__ = [
    "EMAIL_LINE",
    "PROCESSED_LINE",
    "READY_LINE",
    "SIMULATED",
    "STARTING_LINE",
    "WAREHOUSE_LINE",
    "duplicate_line",
    "received_lines",
]

STARTING_LINE = "skillupworks Order Processing Service Starting..."
READY_LINE = "✓ Ready to process orders! Waiting for messages..."
PROCESSED_LINE = "✅ Order processed successfully!"
EMAIL_LINE = "📧 Confirmation email sent"
WAREHOUSE_LINE = "📦 Warehouse notified"
# follows the two lines when there is no mail server or warehouse behind them
SIMULATED = " (simulated)"


def received_lines(order: Order) -> list[str]:
    """Return what is said about a new order before the line of its result."""
    return [
        "📦 NEW ORDER RECEIVED",
        f"Order ID: {order.order_id}",
        f"User: {order.session_id}",
        f"Total: {format_total(order.total)}",
        f"Items: {len(order.items)}",
        *[
            f"  - {line.sku} x {line.quantity} = {format_amount(line.total)}"
            for line in order.items
        ],
        "",
        "🔄 Processing order...",
    ]


def duplicate_line(order: Order) -> str:
    """Return what is said about an order whose effect is there already."""
    return f"Duplicate of order {order.order_id}: processed before, acknowledged without effect"
