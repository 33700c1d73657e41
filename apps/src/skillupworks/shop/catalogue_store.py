"""Products and categories in MongoDB: what customers are shown.

A product is one document, with its stock in it; see reservation_store.py for how that changes.
Words are looked for in `search`, a text without case and accents: with a few thousand products at
most, looking through all of them costs less than a text index that engines disagree on.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from skillupworks.runtime.mongo import Document, MongoDatabase
from skillupworks.shop.catalogue_search import Query

__all__ = ["CATEGORIES", "PRODUCTS", "Category", "MongoProductStore", "Page", "Product"]

PRODUCTS = "products"
CATEGORIES = "categories"

SHOWN = dict.fromkeys(
    (
        *("name", "category", "summary", "price", "weight_grams", "level", "hours"),
        *("picture", "tags", "stock", "sort_key"),
    ),
    1,
)


@dataclass(frozen=True, slots=True)
class Product:
    """A product; its price in paise, `stock` is how many can be reserved at this moment."""

    sku: str
    name: str
    category: str
    summary: str
    price: int
    weight_grams: int
    level: str
    hours: int
    picture: str
    tags: tuple[str, ...]
    stock: int
    description: str = ""


@dataclass(frozen=True, slots=True)
class Category:
    """A category by its slug."""

    slug: str
    title: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some products, without descriptions; `last` is the last one's key if there are more."""

    products: tuple[Product, ...]
    last: str | None


class MongoProductStore:
    """The ProductStore of catalogue_api.py; thread-safe. Raises StoreUnavailableError."""

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database

    def page(self, query: Query) -> Page:
        """Return the products after a key that have all the words, in their order."""
        condition: Document = {"retired": False}
        if query.category:
            condition["category"] = query.category
        if query.after:
            condition["sort_key"] = {"$gt": query.after}
        if query.words:
            # letters and not a pattern, whatever stands in them
            condition["$and"] = [{"search": {"$regex": re.escape(word)}} for word in query.words]
        with self._database.collection(PRODUCTS) as products:
            # one more says whether there are more
            cursor = products.find(condition, SHOWN).sort("sort_key", 1).limit(query.limit + 1)
            found = list(cursor)
        shown = found[: query.limit]
        return Page(
            tuple(_product(document) for document in shown),
            shown[-1]["sort_key"] if len(found) > len(shown) else None,
        )

    def product(self, sku: str) -> Product | None:
        """Return a product that is sold, or None."""
        with self._database.collection(PRODUCTS) as products:
            found = products.find_one({"_id": sku, "retired": False}, SHOWN | {"description": 1})
        return _product(found) if found else None

    def named(self, skus: Collection[str]) -> dict[str, Product]:
        """Return products by sku, also those that are no longer sold."""
        with self._database.collection(PRODUCTS) as products:
            found = list(products.find({"_id": {"$in": list(skus)}}, SHOWN))
        return {document["_id"]: _product(document) for document in found}

    def categories(self) -> list[Category]:
        """Return all categories in the order of their file."""
        with self._database.collection(CATEGORIES) as categories:
            found = list(categories.find({}).sort("place", 1))
        return [Category(document["_id"], document["title"]) for document in found]

    def check(self) -> str | None:
        """Return None when the database answers, otherwise what is wrong."""
        return self._database.check()


def _product(document: Document) -> Product:
    return Product(
        sku=document["_id"],
        name=document["name"],
        category=document["category"],
        summary=document["summary"],
        price=document["price"],
        weight_grams=document["weight_grams"],
        level=document["level"],
        hours=document["hours"],
        picture=document["picture"],
        tags=tuple(document["tags"]),
        stock=document["stock"],
        description=document.get("description", ""),
    )
