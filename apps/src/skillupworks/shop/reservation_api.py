"""The HTTP interface of reservations, a part of the catalogue's."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Protocol, Self

from fastapi import FastAPI, Path, Request
from pydantic import Field

from skillupworks.runtime.http_app import add_facts
from skillupworks.runtime.problems import ProblemError, come_back, responses
from skillupworks.shop.catalogue_model import HttpModel
from skillupworks.shop.catalogue_store import Product
from skillupworks.shop.fields import Code
from skillupworks.shop.payment_model import MAX_ITEMS, MAX_QUANTITY
from skillupworks.shop.reservation_model import Reservation, ShortageError, State
from skillupworks.shop.reservations import Reservations

__all__ = ["NamedProducts", "add_reservation_routes"]

PROBLEMS = responses(HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE)
COMMIT_PROBLEMS = PROBLEMS | responses(HTTPStatus.NOT_FOUND)
BODY_PROBLEMS = PROBLEMS | responses(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)

ORDER_ID = r"^[A-Za-z0-9_-]{1,64}$"
# of one request
MAX_COMMITS = 100

# the linter does not see its alias, hence three times FAST003
OrderId = Annotated[str, Path(alias="orderId", pattern=ORDER_ID, examples=["ORD-1702554000123456"])]
OrderIdText = Annotated[str, Field(pattern=ORDER_ID)]


class NamedProducts(Protocol):
    """What is needed of the products; may raise StoreUnavailableError."""

    def named(self, skus: Collection[str]) -> dict[str, Product]:
        """Return products by sku, also those that are no longer sold."""


class ItemRequest(HttpModel):
    """So many of a product."""

    sku: Annotated[Code, Field(examples=["Linux"])]
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY, examples=[2])]


class ReservationRequest(HttpModel):
    """What an order needs. The same product twice is one line with the sum of both."""

    items: Annotated[list[ItemRequest], Field(min_length=1, max_length=MAX_ITEMS)]

    @property
    def lines(self) -> dict[str, int]:
        """The quantity of each product."""
        lines: dict[str, int] = {}
        for item in self.items:
            lines[item.sku] = lines.get(item.sku, 0) + item.quantity
        return lines

    def place(self, sku: str) -> int:
        """Return where a product stands first."""
        return [item.sku for item in self.items].index(sku)


class ReservedItem(HttpModel):
    """So many of a product."""

    sku: str
    quantity: int


class HeldItem(ReservedItem):
    """So many of a product, with what an order needs to know of it."""

    name: str = Field(examples=["Linux Administration"])
    price_minor: int = Field(examples=[199_900], description="For one piece, in paise")
    weight_grams: int = Field(examples=[640], description="Of one piece")


class ReservationAnswer(HttpModel):
    """A reservation."""

    order_id: str = Field(examples=["ORD-1702554000123456"])
    state: str = Field(examples=["held"], description="`held` or `committed`")
    items: list[ReservedItem]
    expires_at: str = Field(
        examples=["2026-01-01T12:15:00Z"], description="When it is given back unless committed"
    )

    @classmethod
    def of(cls, found: Reservation) -> Self:
        """Return the answer for a reservation."""
        expires_at = datetime.fromtimestamp(found.expires_at, UTC)
        return cls(
            order_id=found.order_id,
            state=found.state.value,
            items=[ReservedItem(sku=sku, quantity=count) for sku, count in found.lines.items()],
            expires_at=expires_at.isoformat().replace("+00:00", "Z"),
        )


class CommitRequest(HttpModel):
    """Orders whose stock is sold."""

    order_ids: Annotated[
        list[OrderIdText], Field(min_length=1, max_length=MAX_COMMITS, examples=[["ORD-1"]])
    ]


class RefusedCommit(HttpModel):
    """An order that holds nothing."""

    order_id: str
    code: str = Field(
        examples=["expired"], description="The reservation's state, or `unknown` if there is none"
    )


class CommitAnswer(HttpModel):
    """Which orders' stock is sold, and which is not."""

    committed: list[str]
    refused: list[RefusedCommit]


class HeldAnswer(ReservationAnswer):
    """A reservation with what its products cost, so that price and stock are one request."""

    items: list[HeldItem]  # type: ignore[assignment]

    @classmethod
    def with_products(cls, found: Reservation, products: Mapping[str, Product]) -> Self:
        """Return the answer for a reservation whose products are known."""
        items = []
        for sku, quantity in found.lines.items():
            product = products[sku]
            items.append(
                {
                    "sku": sku,
                    "quantity": quantity,
                    "name": product.name,
                    "price_minor": product.price,
                    "weight_grams": product.weight_grams,
                }
            )
        facts = ReservationAnswer.of(found).model_dump() | {"items": items}
        return cls.model_validate(facts)


def add_reservation_routes(
    app: FastAPI, reservations: Reservations, products: NamedProducts
) -> None:
    """Let stock be reserved, sold and given back."""

    @app.put(
        "/reservations/{orderId}",  # noqa: FAST003
        summary="Reserve stock",
        responses=BODY_PROBLEMS,
    )
    def reserve(request: Request, order_id: OrderId, body: ReservationRequest) -> HeldAnswer:
        """Hold all that an order needs, or nothing (409, `out_of_stock`), and say what it costs.

        It may be repeated: nothing is held twice. Prices are those of the moment.
        """
        add_facts(request, order_id=order_id, outcome="refused")
        try:
            found = reservations.reserve(order_id, body.lines)
        except ShortageError as error:
            raise _refusal(body, error) from error
        known = products.named(found.lines.keys())
        if known.keys() < found.lines.keys():  # deleted by hand a moment ago
            raise come_back("A product has just been deleted")
        answer = HeldAnswer.with_products(found, known)
        add_facts(request, order_id=order_id, outcome=answer.state)
        return answer

    @app.post(
        "/reservations/{orderId}/commit",  # noqa: FAST003
        summary="Sell what is reserved",
        responses=COMMIT_PROBLEMS,
    )
    def commit(request: Request, order_id: OrderId) -> ReservationAnswer:
        """Take what is held out of the stock for good; it may be repeated."""
        add_facts(request, order_id=order_id, outcome="refused")
        answer = ReservationAnswer.of(reservations.commit(order_id))
        add_facts(request, order_id=order_id, outcome=answer.state)
        return answer

    @app.post(
        "/commits",
        summary="Sell what is reserved for several orders",
        responses=BODY_PROBLEMS,
    )
    def commit_all(request: Request, body: CommitRequest) -> CommitAnswer:
        """Take what is held out of the stock for good, order by order; it may be repeated."""
        found = reservations.commit_all(body.order_ids)
        states = {
            order_id: found[order_id].state.value if order_id in found else "unknown"
            for order_id in body.order_ids
        }
        sold = [order_id for order_id, state in states.items() if state == State.COMMITTED]
        add_facts(request, orders=str(len(states)), outcome=f"{len(sold)} committed")
        refused = [
            RefusedCommit(order_id=order_id, code=state)
            for order_id, state in states.items()
            if state != State.COMMITTED
        ]
        return CommitAnswer(committed=sold, refused=refused)

    @app.delete(
        "/reservations/{orderId}",  # noqa: FAST003
        summary="Give back what is reserved",
        status_code=HTTPStatus.NO_CONTENT,
        responses=PROBLEMS,
    )
    def release(request: Request, order_id: OrderId) -> None:
        """Give back what is held; it may be repeated, and come before what it ends."""
        add_facts(request, order_id=order_id, outcome="refused")
        reservations.release(order_id)
        add_facts(request, order_id=order_id, outcome="released")


def _refusal(body: ReservationRequest, error: ShortageError) -> ProblemError:
    place = f"items[{body.place(error.sku)}]"
    if error.left is None:
        message = f"there is no product {error.sku!r}"
        return ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{place}.sku: {message}",
            errors=[(f"{place}.sku", message)],
        )
    return ProblemError(
        HTTPStatus.CONFLICT,
        f"{place}.quantity: {error}",
        errors=[(f"{place}.quantity", str(error))],
        code="out_of_stock",
    )
