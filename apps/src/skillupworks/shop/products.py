"""The product list: what is sold and at which price; the client has no say in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from skillupworks.errors import ConfigurationError
from skillupworks.runtime.validation import path_of, words_of
from skillupworks.shop.fields import Code, Text

__all__ = ["Item", "Price", "ProductList", "load_products"]

# so that the largest order (50 lines of 99) stays within what money.py allows
Price = Annotated[int, Field(ge=1, le=10_000_000)]


@dataclass(frozen=True)
class Item:
    """Something with a price in paise: a product or a way of shipping."""

    name: str
    price: int


@dataclass(frozen=True)
class ProductList:
    """Products by sku and shipping methods by code."""

    products: Mapping[str, Item]
    shipping: Mapping[str, Item]


class _Product(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    sku: Code
    name: Text
    price_minor: Price


class _Shipping(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    code: Code
    name: Code
    price_minor: Price


class _File(BaseModel):
    model_config = ConfigDict(strict=True)

    currency: Literal["INR"]
    products: Annotated[list[_Product], Field(min_length=1)]
    shipping: list[_Shipping]


def load_products(path: Path) -> ProductList:
    """Read the product list; ConfigurationError names PRODUCTS_FILE and each wrong entry."""
    try:
        content = _File.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"PRODUCTS_FILE: {path}: {error.strerror}") from error
    except ValidationError as error:
        raise ConfigurationError(
            *(
                f"PRODUCTS_FILE: {path}: {path_of(detail['loc']) or 'content'}: {words_of(detail)}"
                for detail in error.errors(include_url=False)
            )
        ) from error
    skus = [product.sku for product in content.products]
    codes = [method.code for method in content.shipping]
    for kind, names in (("products", skus), ("shipping", codes)):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigurationError(
                f"PRODUCTS_FILE: {path}: {kind}: {', '.join(twice)} is there more than once"
            )
    return ProductList(
        products={entry.sku: Item(entry.name, entry.price_minor) for entry in content.products},
        shipping={entry.code: Item(entry.name, entry.price_minor) for entry in content.shipping},
    )
