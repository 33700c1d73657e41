"""What the catalogue takes and answers over HTTP."""

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from skillupworks.shop.catalogue_search import to_cursor
from skillupworks.shop.catalogue_store import Category, Page, Product
from skillupworks.shop.fields import Code
from skillupworks.shop.money import CURRENCY, to_rupees
from skillupworks.shop.payment_model import MAX_ITEMS, MAX_QUANTITY
from skillupworks.shop.reservation_store import Reservation

__all__ = [
    "CategoriesAnswer",
    "ProductAnswer",
    "ProductsAnswer",
    "ReservationAnswer",
    "ReservationRequest",
]


class _HttpModel(BaseModel):
    model_config = ConfigDict(
        strict=True, alias_generator=to_camel, populate_by_name=True, extra="ignore"
    )


class CategoryAnswer(_HttpModel):
    """A category."""

    slug: str = Field(examples=["systems"])
    title: str = Field(examples=["Linux and Systems"])


class CategoriesAnswer(_HttpModel):
    """All categories."""

    categories: list[CategoryAnswer]

    @classmethod
    def of(cls, found: list[Category]) -> Self:
        """Return the answer for categories."""
        return cls(categories=[CategoryAnswer(slug=each.slug, title=each.title) for each in found])


class ProductSummary(_HttpModel):
    """A product as lists have it."""

    sku: str = Field(examples=["Linux"])
    name: str = Field(examples=["Linux Administration"])
    category: str = Field(examples=["systems"], description="The `slug` of its category")
    summary: str
    price: int | float = Field(examples=[1999], description="In rupees")
    price_minor: int = Field(examples=[199_900], description="The same in paise")
    currency: str = Field(examples=[CURRENCY])
    stock: int = Field(examples=[240], description="How many can be reserved")
    weight_grams: int = Field(examples=[640])
    level: str = Field(examples=["beginner"])
    hours: int = Field(examples=[40])
    picture: str = Field(examples=["Linux.svg"], description="The file of its picture")
    tags: list[str] = Field(examples=[["linux", "rhel"]])

    @classmethod
    def of(cls, product: Product) -> Self:
        """Return the answer for a product."""
        return cls.model_validate(
            {
                "sku": product.sku,
                "name": product.name,
                "category": product.category,
                "summary": product.summary,
                "description": product.description,
                "price": to_rupees(product.price),
                "price_minor": product.price,
                "currency": CURRENCY,
                "stock": product.stock,
                "weight_grams": product.weight_grams,
                "level": product.level,
                "hours": product.hours,
                "picture": product.picture,
                "tags": list(product.tags),
            }
        )


class ProductAnswer(ProductSummary):
    """A product with all that there is to say about it."""

    description: str = Field(description="Paragraphs with an empty line between them")


class ProductsAnswer(_HttpModel):
    """A page of products by name."""

    products: list[ProductSummary]
    next: str | None = Field(description="The `cursor` of the next page; null on the last one")

    @classmethod
    def of(cls, page: Page) -> Self:
        """Return the answer for a page."""
        return cls(
            products=[ProductSummary.of(product) for product in page.products],
            next=None if page.last is None else to_cursor(page.last),
        )


class ItemRequest(_HttpModel):
    """So many of a product."""

    sku: Annotated[Code, Field(examples=["Linux"])]
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY, examples=[2])]


class ReservationRequest(_HttpModel):
    """What an order needs. The same product twice is one line with the sum of both."""

    items: Annotated[list[ItemRequest], Field(min_length=1, max_length=MAX_ITEMS)]

    @property
    def lines(self) -> dict[str, int]:
        """The quantity of each product."""
        lines: dict[str, int] = {}
        for item in self.items:
            lines[item.sku] = lines.get(item.sku, 0) + item.quantity
        return lines

    def place(self, sku: str) -> int:
        """Return where a product stands first."""
        return [item.sku for item in self.items].index(sku)


class ReservedItem(_HttpModel):
    """So many of a product."""

    sku: str
    quantity: int


class ReservationAnswer(_HttpModel):
    """A reservation."""

    order_id: str = Field(examples=["ORD-1702554000123456"])
    state: str = Field(examples=["held"], description="`held` or `committed`")
    items: list[ReservedItem]
    expires_at: str = Field(
        examples=["2026-01-01T12:15:00Z"], description="When it is given back unless committed"
    )

    @classmethod
    def of(cls, found: Reservation) -> Self:
        """Return the answer for a reservation."""
        expires_at = datetime.fromtimestamp(found.expires_at, UTC)
        return cls(
            order_id=found.order_id,
            state=found.state.value,
            items=[ReservedItem(sku=sku, quantity=count) for sku, count in found.lines.items()],
            expires_at=expires_at.isoformat().replace("+00:00", "Z"),
        )
