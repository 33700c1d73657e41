"""What shipping costs: the shipping service's quotes, asked over HTTP."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from skillupworks.runtime.http_client import ServiceAwayError, ServiceClient
from skillupworks.runtime.problems import ProblemError
from skillupworks.runtime.validation import problems_of
from skillupworks.shop.fields import OptionalText, Text
from skillupworks.shop.money import MAX_MINOR
from skillupworks.shop.quotes import MAX_GRAMS

__all__ = ["HttpQuotes", "Quoted", "Quotes"]


@dataclass(frozen=True, slots=True)
class Quoted:
    """What shipping to a city costs, in paise, and which city that is."""

    price: int
    city: str
    region: str
    country: str


class Quotes(Protocol):
    """Who knows what shipping costs; thread-safe."""

    def quote(self, city: int, grams: int) -> Quoted:
        """Return price and city; ProblemError 422 for no such city, or too heavy.

        Raises ServiceAwayError.
        """


class _City(BaseModel):
    model_config = ConfigDict(strict=True)

    name: Text
    region: OptionalText
    country: Text


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True)

    city: _City

    price_minor: Annotated[int, Field(alias="priceMinor", ge=0, le=MAX_MINOR)]
    currency: Literal["INR"]


class HttpQuotes:
    """The Quotes of the shipping service."""

    def __init__(self, shipping: ServiceClient) -> None:
        self._shipping = shipping

    def quote(self, city: int, grams: int) -> Quoted:
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
            found = _Answer.model_validate_json(reply.body)
        except ValidationError as error:
            problems = "; ".join(problems_of(error))
            raise ServiceAwayError(f"The shipping service's answer: {problems}") from error
        where = found.city
        return Quoted(found.price_minor, where.name, where.region, where.country)


def _refused(field: str, message: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY, f"{field}: {message}", errors=[(field, message)]
    )
