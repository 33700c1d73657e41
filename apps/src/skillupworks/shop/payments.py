"""A payment and the states of the order that it pays."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from skillupworks.shop.address import Address
from skillupworks.shop.order import Line

__all__ = ["OrderState", "Payment"]


class OrderState(StrEnum):
    """The way of an order; `rejected` is final like `processed`."""

    ACCEPTED = "accepted"
    PAID = "paid"
    PROCESSING = "processing"
    PROCESSED = "processed"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Payment:
    """A payment and the order it pays; money in paise, time in UTC."""

    payment_id: str
    order_id: str
    session_id: str
    user_id: str
    lines: tuple[Line, ...]
    total: int
    currency: str
    state: OrderState
    created_at: datetime
    reason: str | None = None
    address: Address | None = field(default=None, repr=False)
