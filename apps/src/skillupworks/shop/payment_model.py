"""What payment takes and answers over HTTP, and what it holds inside."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from skillupworks.shop.fields import Code, Name
from skillupworks.shop.money import to_rupees
from skillupworks.shop.order import Line

__all__ = [
    "ItemRequest",
    "OrderAnswer",
    "OrderState",
    "Payment",
    "PaymentAnswer",
    "PaymentRequest",
    "ShippingRequest",
]

MAX_ITEMS = 50
MAX_QUANTITY = 99


class OrderState(StrEnum):
    """The way of an order; `rejected` is final like `processed`."""

    ACCEPTED = "accepted"
    PAID = "paid"
    PROCESSING = "processing"
    PROCESSED = "processed"
    REJECTED = "rejected"


class _HttpModel(BaseModel):
    model_config = ConfigDict(
        strict=True, alias_generator=to_camel, populate_by_name=True, extra="ignore"
    )


class ItemRequest(_HttpModel):
    """A product and how many of it; the same sku in several lines is added up."""

    sku: Annotated[Code, Field(examples=["Linux"])]
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY, examples=[1])]


class ShippingRequest(_HttpModel):
    """How the order is shipped."""

    method: Annotated[Code, Field(examples=["standard"])]


class PaymentRequest(_HttpModel):
    """An order to pay. Prices and totals in it are ignored: they come from the product list."""

    session_id: Annotated[Name, Field(examples=["session-12345"])]
    user_id: Annotated[Name, Field(examples=["507f1f77bcf86cd799439011"])]
    items: Annotated[list[ItemRequest], Field(min_length=1, max_length=MAX_ITEMS)]
    shipping: ShippingRequest | None = None


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


class LineAnswer(_HttpModel):
    """A line of the order; shipping is a line as well."""

    sku: str
    name: str
    price: Annotated[int | float, Field(description="Rupees for one piece")]
    quantity: int


class PaymentAnswer(_HttpModel):
    """A payment."""

    payment_id: Annotated[str, Field(examples=["pay_3f0c9d1b7a5e4c2d8f6a1b0c"])]
    order_id: Annotated[str, Field(examples=["ORD-1702554000123456"])]
    state: OrderState
    total: Annotated[int | float, Field(description="Rupees", examples=[2500])]
    total_minor: Annotated[int, Field(description="The same in paise", examples=[250000])]
    currency: Annotated[str, Field(examples=["INR"])]
    items: list[LineAnswer]
    created_at: datetime

    @classmethod
    def of(cls, payment: Payment) -> Self:
        """Return the answer for a payment."""
        return cls(
            payment_id=payment.payment_id,
            order_id=payment.order_id,
            state=payment.state,
            total=to_rupees(payment.total),
            total_minor=payment.total,
            currency=payment.currency,
            items=[
                LineAnswer(
                    sku=line.sku,
                    name=line.name,
                    price=to_rupees(line.price),
                    quantity=line.quantity,
                )
                for line in payment.lines
            ],
            created_at=payment.created_at,
        )


class OrderAnswer(PaymentAnswer):
    """An order: its payment's facts, and how far its processing is."""

    session_id: str
    user_id: str
    processed_at: datetime | None

    @classmethod
    def of_order(
        cls, payment: Payment, state: OrderState, processed_at: datetime | None
    ) -> "OrderAnswer":
        """Return the answer for the order of a payment."""
        facts = PaymentAnswer.of(payment).model_dump() | {"state": state}
        return cls(
            **facts,
            session_id=payment.session_id,
            user_id=payment.user_id,
            processed_at=processed_at,
        )
