"""What shipping costs: the shipping service's quotes, asked over HTTP."""

from http import HTTPStatus
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from skillupworks.runtime.http_client import ServiceAwayError, ServiceClient
from skillupworks.runtime.problems import ProblemError
from skillupworks.runtime.validation import problems_of
from skillupworks.shop.money import MAX_MINOR
from skillupworks.shop.quotes import MAX_GRAMS

__all__ = ["HttpQuotes", "Quotes"]


class Quotes(Protocol):
    """Who knows what shipping costs; thread-safe."""

    def price(self, city: int, grams: int) -> int:
        """Return the price in paise; ProblemError 422 for no such city, or too heavy.

        Raises ServiceAwayError.
        """


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True)

    price_minor: Annotated[int, Field(alias="priceMinor", ge=0, le=MAX_MINOR)]
    currency: Literal["INR"]


class HttpQuotes:
    """The Quotes of the shipping service."""

    def __init__(self, shipping: ServiceClient) -> None:
        self._shipping = shipping

    def price(self, city: int, grams: int) -> int:
        """See Quotes."""
        if grams > MAX_GRAMS:
            raise _refused("shipping", f"{grams} g are more than the {MAX_GRAMS} g of a parcel")
        # what weighs nothing is quoted like the lightest parcel
        reply = self._shipping.call("GET", f"/quotes?city={city}&weight={max(1, grams)}")
        if reply.status == HTTPStatus.NOT_FOUND:
            raise _refused("shipping.city", f"there is no city {city}")
        if reply.status != HTTPStatus.OK:
            raise ServiceAwayError(f"The shipping service answers {reply.status}")
        try:
            return _Answer.model_validate_json(reply.body).price_minor
        except ValidationError as error:
            problems = "; ".join(problems_of(error))
            raise ServiceAwayError(f"The shipping service's answer: {problems}") from error


def _refused(field: str, message: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY, f"{field}: {message}", errors=[(field, message)]
    )
