"""The ways of shipping with a flat rate; the client has no say in what they cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from skillupworks.errors import ConfigurationError
from skillupworks.runtime.validation import path_of, words_of
from skillupworks.shop.fields import Code
from skillupworks.shop.products import Price

__all__ = ["ShippingMethod", "load_methods"]


@dataclass(frozen=True)
class ShippingMethod:
    """A way of shipping; its price in paise."""

    name: str
    price: int


class _Method(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    code: Code
    name: Code
    price_minor: Price


class _File(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    currency: Literal["INR"]
    methods: list[_Method]


def load_methods(path: Path) -> Mapping[str, ShippingMethod]:
    """Read the methods by code; ConfigurationError names SHIPPING_METHODS_FILE and each mistake."""
    setting = f"SHIPPING_METHODS_FILE: {path}"
    try:
        content = _File.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{setting}: {error.strerror}") from error
    except ValidationError as error:
        raise ConfigurationError(
            *(
                f"{setting}: {path_of(detail['loc']) or 'content'}: {words_of(detail)}"
                for detail in error.errors(include_url=False)
            )
        ) from error
    codes = [method.code for method in content.methods]
    if twice := sorted({code for code in codes if codes.count(code) > 1}):
        raise ConfigurationError(f"{setting}: methods: {', '.join(twice)} is there more than once")
    return {each.code: ShippingMethod(each.name, each.price_minor) for each in content.methods}
