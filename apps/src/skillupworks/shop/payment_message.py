"""The message that hands a paid order on."""

from skillupworks.messaging.message import Outgoing
from skillupworks.runtime import trace
from skillupworks.shop.order import Order
from skillupworks.shop.order_message import write_order
from skillupworks.shop.payments import Payment
from skillupworks.shop.topology import EXCHANGE, ORDER_CREATED

__all__ = ["order_message"]


def order_message(payment: Payment, traceparent: str | None = None) -> Outgoing:
    """Return the message that hands a paid order on; the same payment makes the same message."""
    order = Order(
        order_id=payment.order_id,
        session_id=payment.session_id,
        user_id=payment.user_id,
        items=payment.lines,
        total=payment.total,
        timestamp=payment.created_at,
        payment_id=payment.payment_id,
        address=payment.address,
    )
    return Outgoing(
        exchange=EXCHANGE,
        routing_key=ORDER_CREATED,
        body=write_order(order),
        # an order is created once, so its id identifies the message, however often it is sent
        message_id=payment.order_id,
        timestamp=payment.created_at,
        type=ORDER_CREATED,
        headers={trace.HEADER: traceparent} if traceparent else {},
    )
