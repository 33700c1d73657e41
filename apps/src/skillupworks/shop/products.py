"""The ways of shipping with a flat rate; the client has no say in what they cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from skillupworks.errors import ConfigurationError
from skillupworks.runtime.validation import path_of, words_of
from skillupworks.shop.fields import Code

__all__ = ["Item", "Price", "load_shipping"]

# so that the largest order (50 lines of 99) stays within what money.py allows
Price = Annotated[int, Field(ge=1, le=10_000_000)]


@dataclass(frozen=True)
class Item:
    """Something with a price in paise: a way of shipping."""

    name: str
    price: int


class _Shipping(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    code: Code
    name: Code
    price_minor: Price


class _File(BaseModel):
    model_config = ConfigDict(strict=True)

    currency: Literal["INR"]
    shipping: list[_Shipping]


def load_shipping(path: Path) -> Mapping[str, Item]:
    """Read the flat rates by code; ConfigurationError names PRODUCTS_FILE and each wrong entry.

    What else is in the file is not looked at: products are the catalogue's.
    """
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
    codes = [method.code for method in content.shipping]
    if twice := sorted({code for code in codes if codes.count(code) > 1}):
        raise ConfigurationError(
            f"PRODUCTS_FILE: {path}: shipping: {', '.join(twice)} is there more than once"
        )
    return {entry.code: Item(entry.name, entry.price_minor) for entry in content.shipping}
