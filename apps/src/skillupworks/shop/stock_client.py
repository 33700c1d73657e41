"""The stock of the catalogue, asked over HTTP: reserve, sell, give back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from skillupworks.runtime.http_client import Reply, ServiceAwayError, ServiceClient
from skillupworks.runtime.problems import ProblemError
from skillupworks.runtime.validation import problems_of
from skillupworks.shop.fields import Code, Text
from skillupworks.shop.products import Price

__all__ = ["MAX_COMMITS", "HttpStock", "Reserved", "Stock", "StockRefusedError"]

# the catalogue takes no more in one request
MAX_COMMITS = 100


@dataclass(frozen=True, slots=True)
class Reserved:
    """A product of which some are reserved; price in paise and weight in grams, of one piece."""

    sku: str
    name: str
    price: int
    grams: int
    quantity: int


class StockRefusedError(Exception):
    """The reservation is in a state in which this cannot be done; `code` says which."""

    def __init__(self, code: str) -> None:
        super().__init__(f"the reservation is {code}")
        self.code = code


class Stock(Protocol):
    """Where stock is kept; thread-safe. Every method may be repeated.

    And may raise ServiceAwayError: it has been done, or not.
    """

    def reserve(self, order_id: str, items: Mapping[str, int]) -> list[Reserved]:
        """Hold all that an order needs, or nothing; returned in the order of `items`.

        Raises ProblemError: 409 `out_of_stock`, or 422 for a product that is not sold; and
        StockRefusedError when the reservation was given back before.
        """

    def commit(self, order_ids: Sequence[str]) -> Mapping[str, str]:
        """Sell what is held of at most MAX_COMMITS orders.

        Returned are those that hold nothing, with the state of their reservations.
        """

    def release(self, order_id: str) -> None:
        """Give back what is held, now or later; StockRefusedError when it is sold."""


class _Item(BaseModel):
    model_config = ConfigDict(strict=True, alias_generator=to_camel)

    sku: Code
    quantity: int
    name: Text
    price_minor: Price
    weight_grams: Annotated[int, Field(ge=0)]


class _Answer(BaseModel):
    items: list[_Item]


class _Refused(BaseModel):
    model_config = ConfigDict(strict=True, alias_generator=to_camel)

    order_id: str
    code: str


class _Commits(BaseModel):
    committed: list[str]
    refused: list[_Refused]


class _FieldProblem(BaseModel):
    field: str
    message: str


class _Problem(BaseModel):
    code: str | None = None
    errors: list[_FieldProblem] = []


class HttpStock:
    """The Stock behind the catalogue's HTTP interface."""

    def __init__(self, catalogue: ServiceClient) -> None:
        self._catalogue = catalogue

    def reserve(self, order_id: str, items: Mapping[str, int]) -> list[Reserved]:
        """See Stock."""
        lines = [{"sku": sku, "quantity": quantity} for sku, quantity in items.items()]
        reply = self._catalogue.call("PUT", f"/reservations/{order_id}", {"items": lines})
        if reply.status != HTTPStatus.OK:
            raise _refusal(reply)
        try:
            answer = _Answer.model_validate_json(reply.body)
        except ValidationError as error:
            raise _nonsense(error) from error
        found = {
            item.sku: Reserved(
                item.sku, item.name, item.price_minor, item.weight_grams, item.quantity
            )
            for item in answer.items
        }
        if {sku: each.quantity for sku, each in found.items()} != dict(items):
            raise ServiceAwayError("The catalogue answers about something else")
        return [found[sku] for sku in items]

    def commit(self, order_ids: Sequence[str]) -> Mapping[str, str]:
        """See Stock."""
        body = {"orderIds": list(order_ids)}
        reply = self._catalogue.call("POST", "/commits", body)
        if reply.status != HTTPStatus.OK:
            raise _refusal(reply)
        try:
            answer = _Commits.model_validate_json(reply.body)
        except ValidationError as error:
            raise _nonsense(error) from error
        refused = {each.order_id: each.code for each in answer.refused}
        if {*answer.committed, *refused} != set(order_ids):
            raise ServiceAwayError("The catalogue answers about something else")
        return refused

    def release(self, order_id: str) -> None:
        """See Stock."""
        reply = self._catalogue.call("DELETE", f"/reservations/{order_id}")
        if reply.status != HTTPStatus.NO_CONTENT:
            raise _refusal(reply)


def _refusal(reply: Reply) -> Exception:
    try:
        problem = _Problem.model_validate_json(reply.body)
    except ValidationError as error:
        return _nonsense(error)
    errors = [(each.field, each.message) for each in problem.errors]
    detail = "; ".join(f"{field}: {message}" for field, message in errors)
    if reply.status == HTTPStatus.CONFLICT and problem.code == "out_of_stock":
        return ProblemError(HTTPStatus.CONFLICT, detail, errors=errors, code="out_of_stock")
    if reply.status == HTTPStatus.CONFLICT and problem.code:
        return StockRefusedError(problem.code)
    if reply.status == HTTPStatus.UNPROCESSABLE_ENTITY and errors:
        return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=errors)
    return ServiceAwayError(f"The catalogue answers {reply.status}")


def _nonsense(error: ValidationError) -> ServiceAwayError:
    return ServiceAwayError(f"The catalogue's answer: {'; '.join(problems_of(error))}")
