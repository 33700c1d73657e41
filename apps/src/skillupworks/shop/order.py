"""A paid order, as the services hold it: money in paise, time in UTC."""

from dataclasses import dataclass
from datetime import datetime

__all__ = ["Line", "Order"]


@dataclass(frozen=True)
class Line:
    """One line of an order; `price` is for one piece, in paise."""

    sku: str
    name: str
    price: int
    quantity: int

    @property
    def total(self) -> int:
        """The line's total in paise."""
        return self.price * self.quantity


@dataclass(frozen=True)
class Order:
    """A paid order; `total` is the sum of its lines in paise, `timestamp` is in UTC."""

    order_id: str
    session_id: str
    user_id: str
    items: tuple[Line, ...]
    total: int
    timestamp: datetime
    payment_id: str
