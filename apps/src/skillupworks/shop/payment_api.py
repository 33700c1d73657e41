"""The HTTP interface of payment."""

import base64
import binascii
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Path, Query, Request, Response
from prometheus_client import CollectorRegistry
from pydantic import AfterValidator

from skillupworks.runtime.health import Readiness
from skillupworks.runtime.http_app import add_facts, create_http_app
from skillupworks.runtime.problems import ProblemError, responses
from skillupworks.shop.checkout import Checkout
from skillupworks.shop.checkout_steps import refused
from skillupworks.shop.gateway import CARD_DECLINED
from skillupworks.shop.payment_attempt import OrderProgress, OrderStore, PaymentStore, Place
from skillupworks.shop.payment_model import (
    OrderAnswer,
    OrdersAnswer,
    OrderState,
    Payment,
    PaymentAnswer,
    PaymentRequest,
)
from skillupworks.shop.sessions import Credentials, SessionStore, no_session
from skillupworks.shop.webhook import Signer, Webhook
from skillupworks.shop.webhook_api import add_webhook_route

__all__ = ["create_app"]

READ_PROBLEMS = responses(
    HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE
)
PAY_PROBLEMS = responses(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.PAYMENT_REQUIRED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
MAX_PAGE = 100


def _printable(value: str) -> str:
    if not (value.isascii() and value.isprintable()):
        raise ValueError("must be printable ASCII characters")
    return value


IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="A value the client makes once per order and sends again when it repeats the"
        " request: the same key and body give the same answer and one charge.",
        examples=["3f0c9d1b-7a5e-4c2d-8f6a-1b0c2d3e4f50"],
    ),
    AfterValidator(_printable),
]
PaymentId = Annotated[str, Path(alias="paymentId", min_length=1, max_length=64)]
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
    AfterValidator(lambda cursor: None if cursor is None else _checked(cursor)),
]


def create_app(  # noqa: PLR0913 - all that it answers from
    checkout: Checkout,
    store: PaymentStore,
    orders: OrderStore,
    sessions: SessionStore,
    webhook: Webhook,
    signer: Signer,
    readiness: Readiness,
    registry: CollectorRegistry,
) -> FastAPI:
    """Return the application; it holds no connection of its own and can be made many times."""
    app = create_http_app(
        title="SkillUpWorks payment",
        summary="Pays for orders and hands them to the order processor.",
        description="Amounts named `total` and `price` are rupees, as in the order message;"
        " `totalMinor` is the same in paise. Who asks is known by the session, and sees nothing"
        " of others.",
        readiness=readiness,
        registry=registry,
    )

    def find_owner(presented: Credentials) -> str:
        session = sessions.find(presented.token) if presented else None
        if session is None:
            raise no_session()
        return session.owner

    Owner = Annotated[str, Depends(find_owner)]  # noqa: N806 - a type

    @app.post(
        "/payments",
        status_code=HTTPStatus.CREATED,
        summary="Pay for an order",
        responses=PAY_PROBLEMS
        | {HTTPStatus.ACCEPTED.value: {"model": PaymentAnswer, "description": "Not known yet"}},
    )
    def pay(
        request: Request,
        response: Response,
        owner: Owner,
        key: IdempotencyKey,
        body: PaymentRequest,
    ) -> PaymentAnswer:
        """Reserve, charge once, and leave the order for the order processor.

        Prices come from the catalogue; those in the request are ignored. 202 with the state
        `accepted` when the gateway has not answered yet: ask for the payment, or repeat the
        request. The same `Idempotency-Key` and body give the same order and one charge; the same
        key with another body is refused. What is refused before a charge (409, 422) may succeed
        later with the same key. 503 with `Retry-After` when something is away.
        """
        if ignored := body.ignored():
            add_facts(request, ignored=",".join(ignored))
        if body.user_id is not None and body.user_id != owner:
            raise refused("userId", "is not the owner of the session")
        paid = checkout.pay(key, owner, body)
        payment = paid.payment
        outcome = payment.reason or str(payment.state)
        add_facts(
            request,
            order_id=payment.order_id,
            payment_id=payment.payment_id,
            outcome="repeated" if paid.repeated else outcome,
        )
        if payment.state is OrderState.REJECTED:
            raise _rejected(payment)
        if payment.state is OrderState.ACCEPTED:
            response.status_code = HTTPStatus.ACCEPTED
        return PaymentAnswer.of(payment)

    @app.get("/payments/{paymentId}", summary="Show a payment", responses=READ_PROBLEMS)
    def show_payment(owner: Owner, payment_id: PaymentId) -> PaymentAnswer:
        """Return a payment of one's own; `accepted` until its outcome is known."""
        found = store.attempt(payment_id)
        if found is None or found.payment.user_id != owner:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"There is no payment {payment_id}")
        return PaymentAnswer.of(found.payment)

    @app.get(
        "/orders/{orderId}",
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

    add_webhook_route(app, webhook, signer)
    return app


def _order(found: OrderProgress) -> OrderAnswer:
    return OrderAnswer.of_order(found.payment, found.state, found.processed_at)


def _rejected(payment: Payment) -> ProblemError:
    if payment.reason == CARD_DECLINED:
        return ProblemError(
            HTTPStatus.PAYMENT_REQUIRED,
            f"The card was declined; nothing was charged for order {payment.order_id}",
            code=CARD_DECLINED,
        )
    return ProblemError(
        HTTPStatus.CONFLICT,
        f"Order {payment.order_id} was given up and nothing was charged; pay again with a new"
        " Idempotency-Key",
        code=payment.reason,
    )
