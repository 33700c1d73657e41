"""The order's message: the format that payment publishes and the order processor expects.

Fields that a later version adds are ignored. Everything known is checked, and the total must be
the sum of the lines.
"""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Never, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from skillupworks.errors import PermanentError
from skillupworks.messaging.message import Delivery
from skillupworks.shop.fields import Code, Name, Text, path_of
from skillupworks.shop.money import from_rupees, to_rupees
from skillupworks.shop.order import Line, Order

__all__ = ["parse_order", "write_order"]

MAX_BODY_BYTES = 256 * 1024
MAX_LINES = 200
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


def _to_utc(value: object) -> datetime:
    if not isinstance(value, str) or not RFC_3339.fullmatch(value):
        raise ValueError("must be an RFC 3339 time with its offset, like 2024-12-14T10:00:00Z")
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is out of range") from error


Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]
Rupees = Annotated[int, BeforeValidator(from_rupees)]
Time = Annotated[datetime, BeforeValidator(_to_utc)]


class _WireModel(BaseModel):
    model_config = ConfigDict(strict=True, alias_generator=to_camel, extra="ignore")


class _LineMessage(_WireModel):
    sku: Code
    name: Text
    price: Rupees
    quantity: Annotated[int, Field(ge=1, le=1000)]


class _OrderMessage(_WireModel):
    order_id: Identifier
    session_id: Name
    user_id: Name
    items: Annotated[list[_LineMessage], Field(min_length=1, max_length=MAX_LINES)]
    total: Rupees
    timestamp: Time
    payment_id: Identifier

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = sum(line.price * line.quantity for line in self.items)
        if total != self.total:
            raise ValueError(
                f"total: is {to_rupees(self.total)}, but the items add up to {to_rupees(total)}"
            )
        return self

    def to_order(self) -> Order:
        lines = tuple(Line(line.sku, line.name, line.price, line.quantity) for line in self.items)
        return Order(
            order_id=self.order_id,
            session_id=self.session_id,
            user_id=self.user_id,
            items=lines,
            total=self.total,
            timestamp=self.timestamp,
            payment_id=self.payment_id,
        )


def write_order(order: Order) -> bytes:
    """Return the body of an order's message."""
    body = {
        "orderId": order.order_id,
        "sessionId": order.session_id,
        "userId": order.user_id,
        "items": [
            {
                "sku": line.sku,
                "name": line.name,
                "price": to_rupees(line.price),
                "quantity": line.quantity,
            }
            for line in order.items
        ],
        "total": to_rupees(order.total),
        "timestamp": order.timestamp.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "paymentId": order.payment_id,
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def parse_order(delivery: Delivery) -> Order:
    """Return the order of a delivery; PermanentError names the field and what is wrong with it."""
    if delivery.content_encoding not in (None, "", "identity", "utf-8"):
        raise _malformed(f"content_encoding: {delivery.content_encoding!r} is not supported")
    media_type = (delivery.content_type or "application/json").split(";")[0].strip().lower()
    if media_type != "application/json":
        raise _malformed(f"content_type: must be application/json, got {media_type!r}")
    if len(delivery.body) > MAX_BODY_BYTES:
        raise _malformed(f"body: {len(delivery.body)} bytes are more than {MAX_BODY_BYTES}")
    try:
        # exact decimals: a float could hide a third decimal
        document = json.loads(
            delivery.body.decode("utf-8"), parse_float=Decimal, parse_constant=_no_constant
        )
    except UnicodeDecodeError as error:
        raise _malformed(f"body: is not UTF-8: {error.reason} at byte {error.start}") from error
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise _malformed(f"body: is not JSON: {error}") from error
    try:
        return _OrderMessage.model_validate(document).to_order()
    except ValidationError as error:
        raise PermanentError("; ".join(_problems(error)), reason="invalid") from error


def _problems(error: ValidationError) -> list[str]:
    details = error.errors(include_url=False, include_input=False)
    if len(details) > 1:
        # "too short" also follows when all of the items are invalid, which is said already
        details = [detail for detail in details if detail["type"] != "too_short"] or details
    return [_problem(detail) for detail in details]


def _problem(detail: ErrorDetails) -> str:
    if detail["type"] == "model_type" and not detail["loc"]:
        return "body: must be a JSON object"
    path = path_of(detail["loc"])
    message = detail["msg"].removeprefix("Value error, ")
    return f"{path}: {message}" if path else message


def _malformed(message: str) -> PermanentError:
    return PermanentError(message, reason="malformed")


def _no_constant(name: str) -> Never:
    raise ValueError(f"{name} is not a JSON number")
