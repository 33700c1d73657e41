"""The files that say what is sold: courses and their categories."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from skillupworks.errors import ConfigurationError
from skillupworks.runtime.validation import path_of, words_of
from skillupworks.shop.fields import Code, Name, Text
from skillupworks.shop.products import Price

__all__ = ["CatalogueFiles", "CategoryEntry", "ProductEntry", "load_catalogue"]

# of a product's pieces: far within what the database counts exactly
MAX_STOCK = 1_000_000


class ProductEntry(BaseModel):
    """A product as its file has it; `stock` is how many pieces were ever delivered."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    # it stands in paths, and is compared letter by letter
    sku: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")]
    name: Text
    category: Code
    summary: Text
    description: Annotated[str, Field(min_length=1, max_length=5_000)]
    price_minor: Price
    currency: Literal["INR"]
    weight_grams: Annotated[int, Field(ge=1, le=30_000)]
    stock: Annotated[int, Field(ge=0, le=MAX_STOCK)]
    level: Literal["beginner", "intermediate", "advanced"]
    hours: Annotated[int, Field(ge=1, le=10_000)]
    picture: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,99}$")]
    tags: Annotated[list[Code], Field(max_length=20)]


class CategoryEntry(BaseModel):
    """A category as its file has it."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    slug: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
    title: Name


@dataclass(frozen=True)
class CatalogueFiles:
    """What is sold, in the files' order."""

    categories: tuple[CategoryEntry, ...]
    products: tuple[ProductEntry, ...]


PRODUCTS: TypeAdapter[list[ProductEntry]] = TypeAdapter(
    Annotated[list[ProductEntry], Field(min_length=1)]
)
CATEGORIES: TypeAdapter[list[CategoryEntry]] = TypeAdapter(
    Annotated[list[CategoryEntry], Field(min_length=1)]
)

Content = TypeVar("Content")


def load_catalogue(folder: Path) -> CatalogueFiles:
    """Read products.json and categories.json; ConfigurationError names each wrong entry."""
    products = _read(folder / "products.json", PRODUCTS)
    categories = _read(folder / "categories.json", CATEGORIES)
    slugs = [category.slug for category in categories]
    problems = [
        *_twice("products", [product.sku for product in products]),
        *_twice("categories", slugs),
        *(
            f"{product.sku}: there is no category {product.category!r}"
            for product in products
            if product.category not in slugs
        ),
    ]
    if problems:
        raise ConfigurationError(*(f"CATALOGUE_FOLDER: {folder}: {line}" for line in problems))
    return CatalogueFiles(tuple(categories), tuple(products))


def _read(path: Path, content: TypeAdapter[Content]) -> Content:
    try:
        return content.validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"CATALOGUE_FOLDER: {path}: {error.strerror}") from error
    except ValidationError as error:
        raise ConfigurationError(
            *(
                f"CATALOGUE_FOLDER: {path}: {path_of(detail['loc']) or 'content'}:"
                f" {words_of(detail)}"
                for detail in error.errors(include_url=False)
            )
        ) from error


def _twice(kind: str, names: list[str]) -> list[str]:
    twice = sorted({name for name in names if names.count(name) > 1})
    return [f"{kind}: {', '.join(twice)} is there more than once"] if twice else []
