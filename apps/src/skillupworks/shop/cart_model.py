"""What the cart takes and answers over HTTP."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Self

from pydantic import AfterValidator, Field

from skillupworks.shop.cart_store import Cart
from skillupworks.shop.catalogue_client import Absent, LookUp, Product
from skillupworks.shop.fields import Code
from skillupworks.shop.http_model import HttpModel
from skillupworks.shop.money import CURRENCY, to_rupees
from skillupworks.shop.payment_model import MAX_ITEMS, MAX_QUANTITY

__all__ = [
    "MAX_ITEMS",
    "MAX_QUANTITY",
    "CartAnswer",
    "ItemRequest",
    "MergeRequest",
    "QuantityRequest",
    "ShippingRequest",
]

# of a city's id: the INT of shipping's database
MAX_CITY = 2**31 - 1

Quantity = Annotated[int, Field(ge=1, le=MAX_QUANTITY, examples=[2])]


def _fits_into_path(value: str) -> str:
    """Refuse what /carts/{id}/items/{sku} and the catalogue's paths cannot carry."""
    if "/" in value or value in {".", ".."}:
        raise ValueError("must not contain a slash, nor be dots")
    return value


Sku = Annotated[Code, AfterValidator(_fits_into_path), Field(examples=["Linux"])]


class ItemRequest(HttpModel):
    """A product to put into the cart. A price in it is ignored: it is the catalogue's."""

    sku: Sku
    quantity: Quantity


class QuantityRequest(HttpModel):
    """How many of a product there should be."""

    quantity: Quantity


class ShippingRequest(HttpModel):
    """Where the order is to be shipped to, and how."""

    city: Annotated[int, Field(ge=1, le=MAX_CITY, examples=[1275339])]
    method: Annotated[Code, Field(examples=["standard"])] = "standard"


class MergeRequest(HttpModel):
    """The guest whose cart is taken over, by the token of the guest's session.

    Without it the guest's cookie counts.
    """

    guest_token: Annotated[str | None, Field(min_length=1, max_length=512)] = None


class LineAnswer(HttpModel):
    """A line of the cart; without a price, `note` says why."""

    sku: Annotated[str, Field(examples=["Linux"])]
    name: Annotated[str | None, Field(examples=["Linux Administration"])]
    price: Annotated[int | float | None, Field(description="Rupees for one piece")]
    price_minor: Annotated[int | None, Field(description="The same in paise")]
    quantity: Annotated[int, Field(examples=[2])]
    note: str | None

    @classmethod
    def of(cls, sku: str, quantity: int, found: LookUp) -> Self:
        """Return the answer for a line."""
        if isinstance(found, Product):
            name, price, note = found.name, found.price, None
        else:
            name, price, note = None, None, f"{sku}: {found.value}"
        return cls(
            sku=sku,
            name=name,
            price=None if price is None else to_rupees(price),
            price_minor=price,
            quantity=quantity,
            note=note,
        )


class ShippingAnswer(HttpModel):
    """Where the order is to be shipped to, and how; the shipping service says what it costs."""

    city: int
    method: str


class CartAnswer(HttpModel):
    """A cart."""

    id: Annotated[str, Field(examples=["507f1f77bcf86cd799439011"])]
    items: list[LineAnswer]
    total: Annotated[
        int | float | None,
        Field(description="Rupees, without shipping and what is not sold; null: not known now"),
    ]
    total_minor: Annotated[int | None, Field(description="The same in paise")]
    currency: Annotated[str, Field(examples=[CURRENCY])]
    shipping: ShippingAnswer | None
    notes: Annotated[list[str], Field(description="What the customer should know")]

    @classmethod
    def of(
        cls, cart_id: str, cart: Cart, products: Mapping[str, LookUp], notes: Sequence[str] = ()
    ) -> Self:
        """Return the answer for a cart with the products of all its lines."""
        lines = [LineAnswer.of(sku, cart.quantities[sku], products[sku]) for sku in cart.quantities]
        sums = [line.price_minor * line.quantity for line in lines if line.price_minor is not None]
        # What is not sold costs nothing, and is not in the way of the rest. A total without a price
        # that is only not known at the moment would be a wrong one.
        known = all(products[sku] is not Absent.AWAY for sku in cart.quantities)
        total = sum(sums) if known else None
        shipping = cart.shipping
        return cls(
            id=cart_id,
            items=lines,
            total=None if total is None else to_rupees(total),
            total_minor=total,
            currency=CURRENCY,
            shipping=None
            if shipping is None
            else ShippingAnswer(city=shipping.city, method=shipping.method),
            notes=[*notes, *(line.note for line in lines if line.note)],
        )
