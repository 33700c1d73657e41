"""The order message that every client is given: 300 bytes, with an id of its own."""

import json
from collections.abc import Iterator

__all__ = ["BYTES", "order_id", "orders"]

BYTES = 300

# one line, so that the order processor says eleven lines about it
_ORDER = {
    "orderId": "",
    "sessionId": "",
    "userId": "507f1f77bcf86cd799439011",
    "items": [{"sku": "Linux", "name": "Linux Administration", "price": 1999, "quantity": 1}],
    "total": 1999,
    "timestamp": "2026-11-22T10:00:00.123Z",
    "paymentId": "pay_4b1f0c9d1b7a5e4c2d8f6a1b",
}


def order_id(run: int, number: int) -> str:
    """Return an id in the form that the payment service gives."""
    return f"ORD-{run:06d}{number:010d}"


def orders(run: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield the id and the body of each order of a run; `run` has up to six digits."""
    some = order_id(run, 0)
    missing = BYTES - len(_encode(some, ""))
    # the session's id is as long as it takes
    head, _, tail = _encode(some, "s" * missing).partition(some.encode())
    for number in range(count):
        identifier = order_id(run, number)
        yield identifier, head + identifier.encode() + tail


def _encode(identifier: str, session: str) -> bytes:
    order = _ORDER | {"orderId": identifier, "sessionId": session}
    return json.dumps(order, separators=(",", ":")).encode()
