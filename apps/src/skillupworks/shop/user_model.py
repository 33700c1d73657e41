"""What the user service takes and answers over HTTP."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self
from unicodedata import normalize

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from skillupworks.shop.account import Account
from skillupworks.shop.fields import Text
from skillupworks.shop.http_model import HttpModel
from skillupworks.shop.passwords import normal_form
from skillupworks.shop.sessions import GUEST, USER

__all__ = [
    "DeletionRequest",
    "Delivery",
    "GuestRequest",
    "LoginRequest",
    "RegistrationRequest",
    "SessionAnswer",
    "UserAnswer",
]

MAX_EMAIL = 254
MAX_LOCAL = 64
MIN_PASSWORD = 10
MAX_PASSWORD = 128
# one that is tried may be typed in more characters than it has; beyond that it is not worth hashing
MAX_TYPED = 512

# names separated by dots, without what an address header gives a meaning of its own
ATOM = r"[^\s@.,:;<>()\[\]\\\"\x00-\x1f\x7f-\x9f]+"
LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
EMAIL = re.compile(rf"({ATOM}(?:\.{ATOM})*)@{LABEL}(?:\.{LABEL})+")


def _normal_email(value: str) -> str:
    """Return an address as it is compared: whoever can read mail there has one account."""
    value = normalize("NFKC", value).lower()
    found = EMAIL.fullmatch(value)
    if not (
        found and value.isprintable() and len(value) <= MAX_EMAIL and len(found[1]) <= MAX_LOCAL
    ):
        raise ValueError("must be an e-mail address")
    return value


def _long_enough(value: SecretStr) -> SecretStr:
    """Refuse a password by its length; which characters it has does not matter (NIST 800-63B)."""
    length = len(normal_form(value.get_secret_value()))
    if not MIN_PASSWORD <= length <= MAX_PASSWORD:
        raise ValueError(f"must have {MIN_PASSWORD} to {MAX_PASSWORD} characters")
    return value


def _text(value: object) -> object:
    """Refuse half of a surrogate pair, which cannot be encoded: SecretStr would take it."""
    if isinstance(value, str) and not value.isascii():
        value.encode()  # UnicodeEncodeError is a ValueError
    return value


Email = Annotated[
    str,
    Field(min_length=3, max_length=MAX_EMAIL, examples=["asha@example.com"]),
    AfterValidator(_normal_email),
]
Password = Annotated[SecretStr, Field(min_length=1, max_length=MAX_TYPED), BeforeValidator(_text)]
NewPassword = Annotated[
    Password, AfterValidator(_long_enough), Field(examples=["correct horse battery"])
]


class Delivery(StrEnum):
    """How a client wants its token.

    A browser takes `cookie`: no script, and so none that got into the page, can read it. A program
    takes `token`, and sends it as `Authorization: Bearer`.
    """

    COOKIE = "cookie"
    TOKEN = "token"  # noqa: S105 - says how, and is none


# strict mode would want the enumeration's own member, which JSON has none of
AsDelivery = Annotated[Delivery, Field(strict=False)]


class RegistrationRequest(HttpModel):
    """A new account."""

    email: Email
    password: NewPassword
    name: Annotated[Text | None, Field(examples=["Asha"])] = None


class LoginRequest(HttpModel):
    """Who wants to log in."""

    email: Email
    password: Password
    delivery: AsDelivery = Delivery.COOKIE


class GuestRequest(HttpModel):
    """Somebody without an account."""

    delivery: AsDelivery = Delivery.COOKIE


class DeletionRequest(HttpModel):
    """The password once more: a browser that was left open is not enough."""

    password: Password


class UserAnswer(HttpModel):
    """Who somebody is."""

    id: Annotated[str, Field(examples=["507f1f77bcf86cd799439011"], description="Also the cart's")]
    kind: Annotated[str, Field(examples=[USER], description="`user` or `guest`")]
    email: Annotated[str | None, Field(description="None of a guest")] = None
    name: str | None = None
    created_at: datetime | None = None

    @classmethod
    def of(cls, account: Account) -> Self:
        """Return the answer for an account."""
        return cls(
            id=account.account_id,
            kind=USER,
            email=account.email,
            name=account.name,
            created_at=account.created_at,
        )

    @classmethod
    def of_guest(cls, guest_id: str) -> Self:
        """Return the answer for a guest."""
        return cls(id=guest_id, kind=GUEST)


class SessionAnswer(HttpModel):
    """A session that has begun."""

    id: Annotated[str, Field(examples=["507f1f77bcf86cd799439011"], description="Whose it is")]
    kind: Annotated[str, Field(examples=[USER], description="`user` or `guest`")]
    token: Annotated[str | None, Field(description="Null when it is in a cookie")]
