"""What payment takes and answers over HTTP, and what it holds inside."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from skillupworks.shop.address import Address, PersonName, Phone, PostalCode, Street
from skillupworks.shop.fields import Code, Name
from skillupworks.shop.money import MAX_MINOR, to_rupees
from skillupworks.shop.order import Line

__all__ = [
    "AddressRequest",
    "CardRequest",
    "ItemRequest",
    "OrderAnswer",
    "OrderState",
    "OrdersAnswer",
    "Payment",
    "PaymentAnswer",
    "PaymentRequest",
    "ShippingRequest",
    "WebhookRequest",
]

MAX_ITEMS = 50
MAX_QUANTITY = 99
# of a city's id: the database's INT
MAX_CITY = 2**31 - 1
MIN_DIGITS = 12
MAX_DIGITS = 19
# what a client might think it could say
PRICES = {"price", "priceMinor", "total", "totalMinor", "currency", "shippingPrice"}


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


class _Request(_HttpModel):
    # kept, so that it can be told what was ignored
    model_config = ConfigDict(extra="allow")


def _card_number(value: str) -> str:
    """Return the digits of a card's number; the message never has any of them."""
    digits = value.replace(" ", "").replace("-", "")
    if not (digits.isascii() and digits.isdigit() and MIN_DIGITS <= len(digits) <= MAX_DIGITS):
        raise ValueError(f"must have {MIN_DIGITS} to {MAX_DIGITS} digits")
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    if (sum(doubled) + sum(int(digit) for digit in digits[-1::-2])) % 10:
        raise ValueError("has a digit that is wrong: its checksum does not match")
    return digits


class ItemRequest(_Request):
    """A product and how many of it; the same sku in several lines is added up."""

    sku: Annotated[Code, Field(examples=["Linux"])]
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY, examples=[1])]


class AddressRequest(_HttpModel):
    """Who gets a parcel, and where in the city; it is kept with the order and never logged."""

    name: Annotated[PersonName, Field(repr=False, examples=["Asha Rao"])]
    street: Annotated[Street, Field(repr=False, examples=["12 Hill Road, Bandra West"])]
    postal_code: Annotated[
        PostalCode,
        Field(repr=False, examples=["400050"], description="Left out where there is none"),
    ] = ""
    phone: Annotated[Phone, Field(repr=False, examples=["+91 98200 12345"])]


class ShippingRequest(_HttpModel):
    """Where or how the order is shipped: by a city's quote, or at a method's flat rate."""

    city: Annotated[int | None, Field(ge=1, le=MAX_CITY, examples=[1277333])] = None
    method: Annotated[Code | None, Field(examples=["standard"])] = None
    address: Annotated[
        AddressRequest | None, Field(description="Where in `city`; nothing is sent without it")
    ] = None

    @field_validator("address")
    @classmethod
    def _is_in_a_city(
        cls, value: AddressRequest | None, info: ValidationInfo
    ) -> AddressRequest | None:
        if value is not None and info.data.get("city", 0) is None:
            raise ValueError("needs `city`")
        return value

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        if (self.city is None) == (self.method is None):
            raise ValueError("must have either `city` or `method`")
        return self


class CardRequest(_HttpModel):
    """The card to charge; of its number the last four digits are kept, of the rest nothing."""

    number: Annotated[
        str,
        Field(max_length=40, repr=False, examples=["4242 4242 4242 4242"]),
        AfterValidator(_card_number),
    ]
    expiry: Annotated[str | None, Field(max_length=16, repr=False)] = None
    cvc: Annotated[str | None, Field(max_length=8, repr=False)] = None


class PaymentRequest(_Request):
    """An order to pay. Prices and totals in it are ignored: they come from the catalogue."""

    session_id: Annotated[
        Name | None,
        Field(examples=["user-session-123"], description="The client's own name of its visit"),
    ] = None
    user_id: Annotated[
        Name | None, Field(description="If it is there it must be the session's owner")
    ] = None
    items: Annotated[list[ItemRequest], Field(min_length=1, max_length=MAX_ITEMS)]
    shipping: ShippingRequest | None = None
    card: CardRequest
    expected_total_minor: Annotated[
        int | None,
        Field(ge=0, le=MAX_MINOR, description="What the customer was shown, in paise"),
    ] = None

    def ignored(self) -> list[str]:
        """Return the names of prices in the request, which have no effect."""
        sent = dict.fromkeys(self.model_extra or {})
        for item in self.items:
            sent |= dict.fromkeys(item.model_extra or {})
        return [name for name in sent if name in PRICES]


class WebhookRequest(_HttpModel):
    """What the gateway says became of a charge."""

    payment_id: Annotated[str, Field(min_length=1, max_length=64)]
    state: Annotated[str, Field(pattern="^(captured|declined)$")]


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


class AddressAnswer(_HttpModel):
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


class OrdersAnswer(_HttpModel):
    """A page of somebody's orders, newest first."""

    orders: list[OrderAnswer]
    next: Annotated[
        str | None, Field(description="The `cursor` of the next page; null on the last one")
    ]
