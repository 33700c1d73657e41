"""What payment takes over HTTP."""

from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from skillupworks.shop.address import PersonName, Phone, PostalCode, Street
from skillupworks.shop.fields import Code, Name
from skillupworks.shop.http_model import HttpModel
from skillupworks.shop.money import MAX_MINOR

__all__ = [
    "AddressRequest",
    "CardRequest",
    "ItemRequest",
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


class _Request(HttpModel):
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


class AddressRequest(HttpModel):
    """Who gets a parcel, and where in the city; it is kept with the order and never logged."""

    name: Annotated[PersonName, Field(repr=False, examples=["Asha Rao"])]
    street: Annotated[Street, Field(repr=False, examples=["12 Hill Road, Bandra West"])]
    postal_code: Annotated[
        PostalCode,
        Field(repr=False, examples=["400050"], description="Left out where there is none"),
    ] = ""
    phone: Annotated[Phone, Field(repr=False, examples=["+91 98200 12345"])]


class ShippingRequest(HttpModel):
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


class CardRequest(HttpModel):
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


class WebhookRequest(HttpModel):
    """What the gateway says became of a charge."""

    payment_id: Annotated[str, Field(min_length=1, max_length=64)]
    state: Annotated[str, Field(pattern="^(captured|declined)$")]
