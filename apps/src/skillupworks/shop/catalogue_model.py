"""What the catalogue answers over HTTP."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from skillupworks.shop.catalogue_search import to_cursor
from skillupworks.shop.catalogue_store import Category, Page, Product
from skillupworks.shop.money import CURRENCY, to_rupees

__all__ = ["CategoriesAnswer", "HttpModel", "ProductAnswer", "ProductsAnswer"]


class HttpModel(BaseModel):
    """What all requests and answers have in common."""

    model_config = ConfigDict(
        strict=True, alias_generator=to_camel, populate_by_name=True, extra="ignore"
    )


class CategoryAnswer(HttpModel):
    """A category."""

    slug: str = Field(examples=["systems"])
    title: str = Field(examples=["Linux and Systems"])


class CategoriesAnswer(HttpModel):
    """All categories."""

    categories: list[CategoryAnswer]

    @classmethod
    def of(cls, found: list[Category]) -> Self:
        """Return the answer for categories."""
        return cls(categories=[CategoryAnswer(slug=each.slug, title=each.title) for each in found])


class ProductSummary(HttpModel):
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


class ProductsAnswer(HttpModel):
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
