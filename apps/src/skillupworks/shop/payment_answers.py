"""What payment answers over HTTP."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field

from skillupworks.shop.http_model import HttpModel
from skillupworks.shop.money import to_rupees
from skillupworks.shop.payments import OrderState, Payment

__all__ = ["OrderAnswer", "OrdersAnswer", "PaymentAnswer"]


class LineAnswer(HttpModel):
    """A line of the order; shipping is a line as well."""

    sku: str
    name: str
    price: Annotated[int | float, Field(description="Rupees for one piece")]
    quantity: int


class PaymentAnswer(HttpModel):
    """A payment."""

    payment_id: Annotated[str, Field(examples=["pay_3f0c9d1b7a5e4c2d8f6a1b0c"])]
    order_id: Annotated[str, Field(examples=["ORD-1702554000123456"])]
    state: OrderState
    total: Annotated[int | float, Field(description="Rupees", examples=[2500])]
    total_minor: Annotated[int, Field(description="The same in paise", examples=[250000])]
    currency: Annotated[str, Field(examples=["INR"])]
    items: list[LineAnswer]
    created_at: datetime
    reason: Annotated[
        str | None, Field(description="Why it was rejected", examples=["card_declined"])
    ]

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
            reason=payment.reason,
        )


class AddressAnswer(HttpModel):
    """Where an order is sent to; `region` and `postalCode` are empty where there is none."""

    name: str
    street: str
    postal_code: str
    city: str
    region: str
    country: Annotated[str, Field(examples=["IN"])]
    phone: str


class OrderAnswer(PaymentAnswer):
    """An order: its payment's facts, and how far its processing is."""

    session_id: str
    user_id: str
    processed_at: datetime | None
    shipping_address: AddressAnswer | None

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
            shipping_address=AddressAnswer(**payment.address._asdict())
            if payment.address
            else None,
        )


class OrdersAnswer(HttpModel):
    """A page of somebody's orders, newest first."""

    orders: list[OrderAnswer]
    next: Annotated[
        str | None, Field(description="The `cursor` of the next page; null on the last one")
    ]
