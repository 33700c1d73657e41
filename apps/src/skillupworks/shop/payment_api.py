"""The HTTP interface of payment."""

from http import HTTPStatus
from typing import Annotated

from fastapi import FastAPI, Header, Path, Request, Response
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import AfterValidator

from skillupworks.errors import StoreUnavailableError
from skillupworks.runtime.health import Readiness
from skillupworks.runtime.http import BodyLimit, HttpMetrics, RequestLog
from skillupworks.shop.checkout import Checkout, PaymentStore
from skillupworks.shop.payment_model import OrderAnswer, PaymentAnswer, PaymentRequest
from skillupworks.shop.problems import (
    ProblemError,
    come_back,
    install,
    problem_response,
    responses,
)

__all__ = ["create_app"]

MAX_BODY_BYTES = 64 * 1024


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
    app = FastAPIOffline(
        title="SkillUpWorks payment",
        summary="Pays for orders and hands them to the order processor.",
        description="Amounts named `total` and `price` are rupees, as in the order message;"
        " `totalMinor` is the same in paise. Errors are problem documents (RFC 9457).",
        version="1",
        redoc_url=None,
        responses=responses(HTTPStatus.UNPROCESSABLE_ENTITY),
    )
    install(app)

    app.add_middleware(BodyLimit, limit=MAX_BODY_BYTES)
    app.add_middleware(RequestLog, metrics=HttpMetrics(registry))

    @app.exception_handler(StoreUnavailableError)
    async def on_unavailable(request: Request, error: StoreUnavailableError) -> Response:
        _add_facts(request, error=str(error))
        return problem_response(request, come_back("The database does not answer"))

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
        _add_facts(
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

    # the next two are coroutines: they answer also when all threads wait for the database
    @app.get("/health", summary="Say that the process lives")
    async def health() -> dict[str, str]:
        """Answer 200 as long as the process handles requests."""
        return {"status": "up"}

    @app.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
    async def metrics() -> Response:
        """Return all metrics in Prometheus' text format."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/ready", summary="Say whether orders can be taken")
    def ready() -> JSONResponse:
        """Answer 200 when the database answers, 503 otherwise; the body names what fails.

        A broker that is away makes the service `degraded`, not unready: orders are still taken,
        and wait in the outbox.
        """
        is_ready, body = readiness.report()
        status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse(body, status_code=status)

    return app


def _add_facts(request: Request, **facts: str) -> None:
    """Add fields to the log event of a request."""
    request.state.facts = facts
