"""The order's message: the format that payment publishes and the order processor expects.

Fields that a later version adds are ignored, and `shippingAddress`, which an earlier one did not
have, may be missing. Everything known is checked, and the total must be the sum of the lines.
"""

import json
import re
from datetime import UTC, datetime
from typing import Annotated, NotRequired

from pydantic import ConfigDict, Field, PlainValidator, with_config
from pydantic.alias_generators import to_camel
from typing_extensions import TypedDict  # pydantic takes typing's from Python 3.12 on

from skillupworks.errors import PermanentError
from skillupworks.messaging.message import Delivery
from skillupworks.messaging.models import json_model
from skillupworks.shop.address import Address, AddressMessage, write_address
from skillupworks.shop.fields import Code, Name, Text
from skillupworks.shop.money import from_rupees, to_rupees
from skillupworks.shop.order import Line, Order

__all__ = ["parse_order", "write_order"]

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
Rupees = Annotated[int, PlainValidator(from_rupees)]
Time = Annotated[datetime, PlainValidator(_to_utc)]

WIRE = ConfigDict(strict=True, alias_generator=to_camel)


# typed dictionaries are checked in half the time that models take
@with_config(WIRE)
class _LineMessage(TypedDict):
    sku: Code
    name: Text
    price: Rupees
    quantity: Annotated[int, Field(ge=1, le=1000)]


@with_config(WIRE)
class _OrderMessage(TypedDict):
    order_id: Identifier
    session_id: Name
    user_id: Name
    items: Annotated[list[_LineMessage], Field(min_length=1, max_length=MAX_LINES)]
    total: Rupees
    timestamp: Time
    payment_id: Identifier
    shipping_address: NotRequired[AddressMessage | None]


_read = json_model(_OrderMessage)


def parse_order(delivery: Delivery) -> Order:
    """Return the order of a delivery; PermanentError names the field and what is wrong with it."""
    message = _read(delivery)
    lines = tuple([Line(**line) for line in message["items"]])
    total = sum([line.price * line.quantity for line in lines])
    if total != message["total"]:
        raise PermanentError(
            f"total: is {to_rupees(message['total'])}, but the items add up to {to_rupees(total)}",
            reason="invalid",
        )
    address = message.get("shipping_address")
    return Order(
        order_id=message["order_id"],
        session_id=message["session_id"],
        user_id=message["user_id"],
        items=lines,
        total=total,
        timestamp=message["timestamp"],
        payment_id=message["payment_id"],
        address=None if address is None else Address(**address),
    )


def write_order(order: Order) -> bytes:
    """Return the body of an order's message."""
    body: dict[str, object] = {
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
    if order.address is not None:
        body["shippingAddress"] = write_address(order.address)
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
