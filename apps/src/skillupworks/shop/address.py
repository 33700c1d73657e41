"""Where an order is sent to: what the customer says, with the city as the shipping service has it.

It is shown to its owner and to the warehouse, and to nobody else: its `repr`, which might get into
a log, says nothing.
"""

import json
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, ConfigDict, Field, with_config
from pydantic.alias_generators import to_camel
from typing_extensions import TypedDict  # pydantic takes typing's from Python 3.12 on

from skillupworks.shop.fields import OptionalText, Text, on_one_line

__all__ = [
    "Address",
    "AddressMessage",
    "PersonName",
    "Phone",
    "PostalCode",
    "Street",
    "read_address",
    "stored_address",
    "write_address",
]

# the longest number there is (E.164), and the shortest that reaches somebody from elsewhere
MAX_PHONE_DIGITS = 15
MIN_PHONE_DIGITS = 7
BETWEEN_DIGITS = str.maketrans("", "", " -./()")


class Address(NamedTuple):
    """An address; `region` and `postal_code` are empty where there is none."""

    name: str
    street: str
    postal_code: str
    city: str
    region: str
    country: str
    phone: str

    def __repr__(self) -> str:
        return "Address(…)"


@with_config(ConfigDict(strict=True, alias_generator=to_camel))
class AddressMessage(TypedDict):
    """An address in a message; a consumer takes whatever fits into a line."""

    name: Text
    street: Text
    postal_code: OptionalText
    city: Text
    region: OptionalText
    country: Text
    phone: Text


def _trimmed(value: str) -> str:
    text = on_one_line(value.strip())
    if not text:
        raise ValueError("must not be blank")
    return text


def _postal_code(value: str) -> str:
    text = value.strip()
    code = text.replace(" ", "").replace("-", "")
    if text and not (code.isascii() and code.isalnum()):
        raise ValueError("must be letters and digits")
    return text


def _phone(value: str) -> str:
    text = value.strip()
    digits = text.removeprefix("+").translate(BETWEEN_DIGITS)
    if not (digits.isascii() and digits.isdigit()) or not (
        MIN_PHONE_DIGITS <= len(digits) <= MAX_PHONE_DIGITS
    ):
        raise ValueError(
            f"must be a phone number of {MIN_PHONE_DIGITS} to {MAX_PHONE_DIGITS} digits"
        )
    return text


# lengths are of what was sent, as OpenAPI understands them; spaces at its ends are then left out
PersonName = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_trimmed)]
Street = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_trimmed)]
PostalCode = Annotated[str, Field(max_length=12), AfterValidator(_postal_code)]
Phone = Annotated[str, Field(max_length=32), AfterValidator(_phone)]


def write_address(address: Address) -> dict[str, str]:
    """Return an address as messages and answers have it."""
    return {to_camel(name): value for name, value in address._asdict().items()}


def stored_address(address: Address | None) -> str | None:
    """Return what is written into a column; `read_address` makes an address of it again."""
    return None if address is None else json.dumps(write_address(address), ensure_ascii=False)


def read_address(stored: str | None) -> Address | None:
    """Return the address of a column."""
    if stored is None:
        return None
    found = json.loads(stored)
    return Address(*(found[to_camel(name)] for name in Address._fields))
