"""The HTTP interface of payment."""

from http import HTTPStatus
from typing import Annotated

from fastapi import FastAPI, Header, Path, Request
from prometheus_client import CollectorRegistry
from pydantic import AfterValidator

from skillupworks.runtime.health import Readiness
from skillupworks.runtime.http_app import add_facts, create_http_app
from skillupworks.runtime.problems import ProblemError, responses
from skillupworks.shop.checkout import Checkout, PaymentStore
from skillupworks.shop.payment_model import OrderAnswer, PaymentAnswer, PaymentRequest

__all__ = ["create_app"]


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


def create_app(
    checkout: Checkout, store: PaymentStore, readiness: Readiness, registry: CollectorRegistry
) -> FastAPI:
    """Return the application; it holds no connection of its own and can be made many times."""
    app = create_http_app(
        title="SkillUpWorks payment",
        summary="Pays for orders and hands them to the order processor.",
        description="Amounts named `total` and `price` are rupees, as in the order message;"
        " `totalMinor` is the same in paise.",
        readiness=readiness,
        registry=registry,
    )

    @app.post(
        "/payments",
        status_code=HTTPStatus.CREATED,
        summary="Pay for an order",
        responses=responses(
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    )
    def pay(request: Request, key: IdempotencyKey, body: PaymentRequest) -> PaymentAnswer:
        """Charge the order once and leave it for the order processor.

        Prices come from the shop's product list. The same `Idempotency-Key` and body give the
        same answer; the same key with another body is refused. New orders are refused for a
        while (503, `Retry-After`) when too many wait to be handed on.
        """
        payment, repeated = checkout.pay(key, body)
        add_facts(
            request,
            order_id=payment.order_id,
            payment_id=payment.payment_id,
            outcome="repeated" if repeated else "paid",
        )
        return PaymentAnswer.of(payment)

    @app.get(
        "/payments/{paymentId}",
        summary="Show a payment",
        responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE),
    )
    def show_payment(payment_id: PaymentId) -> PaymentAnswer:
        """Return a payment as it was answered when it was made."""
        payment = store.payment(payment_id)
        if payment is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"There is no payment {payment_id}")
        return PaymentAnswer.of(payment)

    @app.get(
        "/orders/{orderId}",
        summary="Show an order and how far it is",
        responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE),
    )
    def show_order(order_id: OrderId) -> OrderAnswer:
        """Return an order; its `state` goes from `paid` over `processing` to `processed`.

        It is `paid` while its message waits for the broker and `processing` once the broker has
        it.
        """
        progress = store.order(order_id)
        if progress is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"There is no order {order_id}")
        return OrderAnswer.of_order(progress.payment, progress.state, progress.processed_at)

    return app
