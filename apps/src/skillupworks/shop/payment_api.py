"""The HTTP interface of payment."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Path, Request, Response
from prometheus_client import CollectorRegistry
from pydantic import AfterValidator

from skillupworks.runtime.health import Readiness
from skillupworks.runtime.http_app import add_facts, create_http_app
from skillupworks.runtime.problems import ProblemError, responses
from skillupworks.runtime.turns import Turns
from skillupworks.shop.checkout import Checkout
from skillupworks.shop.checkout_steps import refused
from skillupworks.shop.gateway import CARD_DECLINED
from skillupworks.shop.order_api import add_order_routes
from skillupworks.shop.payment_answers import PaymentAnswer
from skillupworks.shop.payment_attempt import OrderStore, PaymentStore
from skillupworks.shop.payment_model import PaymentRequest
from skillupworks.shop.payments import OrderState, Payment
from skillupworks.shop.sessions import Credentials, SessionStore, no_session
from skillupworks.shop.webhook import Signer, Webhook
from skillupworks.shop.webhook_api import add_webhook_route

__all__ = ["Parts", "create_app"]

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

# A charge may take GATEWAY_TIMEOUT_SECONDS, and all routes share 40 threads: half of them are for
# other requests, however slow the gateway is.
AT_ONCE = 20
TURN_SECONDS = 5.0


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


@dataclass(frozen=True)
class Parts:
    """What the routes answer from; all of it thread-safe."""

    checkout: Checkout
    store: PaymentStore
    orders: OrderStore
    sessions: SessionStore
    webhook: Webhook
    signer: Signer


def create_app(parts: Parts, readiness: Readiness, registry: CollectorRegistry) -> FastAPI:
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
        session = parts.sessions.find(presented.token) if presented else None
        if session is None:
            raise no_session()
        return session.owner

    turns = Turns(AT_ONCE, TURN_SECONDS)
    Owner = Annotated[str, Depends(find_owner)]  # noqa: N806 - a type

    @app.post(
        "/payments",
        status_code=HTTPStatus.CREATED,
        summary="Pay for an order",
        dependencies=[Depends(turns.take, scope="function")],
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
        paid = parts.checkout.pay(key, owner, body)
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
        found = parts.store.attempt(payment_id)
        if found is None or found.payment.user_id != owner:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"There is no payment {payment_id}")
        return PaymentAnswer.of(found.payment)

    add_order_routes(app, parts.orders, find_owner)
    add_webhook_route(app, parts.webhook, parts.signer)
    return app


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
