"""The route that the payment gateway calls."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Request
from pydantic import ValidationError

from skillupworks.runtime.http_app import add_facts
from skillupworks.runtime.problems import ProblemError, responses
from skillupworks.runtime.validation import path_of, words_of
from skillupworks.shop.payment_model import WebhookRequest
from skillupworks.shop.webhook import SIGNATURE, Signer, Webhook

__all__ = ["add_webhook_route"]

PROBLEMS = responses(
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
# the route takes the bytes that were signed, so its body is described by hand
BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": WebhookRequest.model_json_schema()}},
    }
}


async def _content(request: Request) -> bytes:
    return await request.body()


Content = Annotated[bytes, Depends(_content)]
Signature = Annotated[
    str | None,
    Header(alias=SIGNATURE, description="`t=<unix time>,v1=<HMAC-SHA256 of time, dot and body>`"),
]


def add_webhook_route(app: FastAPI, webhook: Webhook, signer: Signer) -> None:
    """Let the gateway say what became of a charge."""

    @app.post(
        "/webhooks/gateway",
        summary="Take the outcome of a charge",
        status_code=HTTPStatus.NO_CONTENT,
        responses=PROBLEMS,
        openapi_extra=BODY,
    )
    def take(request: Request, content: Content, signature: Signature = None) -> None:
        """Settle a payment as the gateway says; it may come again, and before the answer."""
        signer.check(signature, content)
        try:
            body = WebhookRequest.model_validate_json(content)
        except ValidationError as error:
            errors = [
                (path_of(detail["loc"]) or "body", words_of(detail))
                for detail in error.errors(include_url=False, include_input=False)
            ]
            raise ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "; ".join(f"{field}: {message}" for field, message in errors),
                errors=errors,
            ) from error
        payment = webhook.take(body)
        add_facts(
            request,
            order_id=payment.order_id,
            payment_id=payment.payment_id,
            outcome=payment.reason or str(payment.state),
        )
