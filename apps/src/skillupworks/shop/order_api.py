"""The routes that show orders, a part of payment's interface."""

import base64
import binascii
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, FastAPI, Path, Query
from pydantic import AfterValidator

from skillupworks.runtime.problems import ProblemError, responses
from skillupworks.shop.payment_answers import OrderAnswer, OrdersAnswer
from skillupworks.shop.payment_attempt import OrderProgress, OrderStore, Place
from skillupworks.shop.payments import Payment

__all__ = ["add_order_routes"]

MAX_PAGE = 100
READ_PROBLEMS = responses(
    HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE
)

OrderId = Annotated[str, Path(alias="orderId", min_length=1, max_length=64)]
UserId = Annotated[
    str | None, Query(alias="userId", max_length=128, description="The session's owner")
]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


def _read_cursor(cursor: str) -> Place:
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        at, _, payment_id = data.decode("ascii").partition(" ")
        created_at = datetime.fromisoformat(at)
    except (binascii.Error, ValueError):
        payment_id = ""
    if not payment_id or created_at.utcoffset() is None:
        raise ValueError("must be `next` of an earlier answer")
    return created_at, payment_id


def _cursor(payment: Payment) -> str:
    place = f"{payment.created_at.isoformat()} {payment.payment_id}"
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _checked(cursor: str) -> str:
    _read_cursor(cursor)
    return cursor


Cursor = Annotated[
    str | None,
    Query(max_length=200, description="`next` of the page before"),
    # empty is none, as it is at the catalogue
    AfterValidator(lambda cursor: _checked(cursor) if cursor else None),
]


def add_order_routes(app: FastAPI, orders: OrderStore, find_owner: Callable[..., str]) -> None:
    """Show orders to who has made them; `find_owner` is the dependency that says who asks."""
    Owner = Annotated[str, Depends(find_owner)]  # noqa: N806 - a type

    @app.get(
        "/orders/{orderId}",  # noqa: FAST003 - the linter does not see its alias
        summary="Show an order and how far it is",
        responses=READ_PROBLEMS,
    )
    def show_order(owner: Owner, order_id: OrderId) -> OrderAnswer:
        """Return an order of one's own.

        Its `state` goes from `accepted` over `paid` and `processing` to `processed`, or is
        `rejected` for a `reason`. It is `paid` while its message waits for the broker and
        `processing` once the broker has it.
        """
        found = orders.order(order_id)
        if found is None or found.payment.user_id != owner:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"There is no order {order_id}")
        return _order(found)

    @app.get("/orders", summary="List one's orders", responses=READ_PROBLEMS)
    def list_orders(
        owner: Owner, user_id: UserId = None, limit: Limit = 20, cursor: Cursor = None
    ) -> OrdersAnswer:
        """Return a page of one's own orders, newest first."""
        if user_id is not None and user_id != owner:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"There are no orders of {user_id}")
        # one more says whether there are more
        found = orders.orders(owner, limit + 1, _read_cursor(cursor) if cursor else None)
        more = len(found) > limit
        return OrdersAnswer(
            orders=[_order(each) for each in found[:limit]],
            next=_cursor(found[limit - 1].payment) if more else None,
        )


def _order(found: OrderProgress) -> OrderAnswer:
    return OrderAnswer.of_order(found.payment, found.state, found.processed_at)
