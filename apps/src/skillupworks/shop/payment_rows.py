"""How payments are read from their tables."""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC
from typing import Any

from skillupworks.runtime.database import Cursor
from skillupworks.shop.address import read_address
from skillupworks.shop.order import Line
from skillupworks.shop.payment_attempt import Attempt
from skillupworks.shop.payments import OrderState, Payment

__all__ = ["find_attempt", "find_attempts"]

SELECT_PAYMENTS = (
    "SELECT payment_id, order_id, session_id, user_id, currency, total_minor, state, created_at,"
    " reason, address, request_hash, request, lease, charging,"
    " state = 'accepted' AND leased_until > UTC_TIMESTAMP(6) FROM payments WHERE "
)
SELECT_LINES = (
    "SELECT payment_id, sku, name, price_minor, quantity FROM payment_items"
    " WHERE payment_id IN %s ORDER BY payment_id, line"
)


def find_attempt(cursor: Cursor, condition: str, value: str) -> Attempt | None:
    """Return the one payment that meets a condition, with its lines."""
    return next(iter(find_attempts(cursor, condition, value)), None)


def find_attempts(cursor: Cursor, condition: str, *values: str | Sequence[str]) -> list[Attempt]:
    """Return the payments that meet a condition, with their lines, in no order."""
    cursor.execute(SELECT_PAYMENTS + condition, values)
    rows = cursor.fetchall()
    if not rows:
        return []
    lines: dict[str, list[Line]] = defaultdict(list)
    cursor.execute(SELECT_LINES, ([row[0] for row in rows],))
    for payment_id, *line in cursor.fetchall():
        lines[payment_id].append(Line(*line))
    return [_attempt(row, tuple(lines[row[0]])) for row in rows]


def _attempt(row: tuple[Any, ...], lines: tuple[Line, ...]) -> Attempt:
    payment_id, order_id, session_id, user_id, currency, total, state, created_at = row[:8]
    reason, address, digest, request, lease, charging, leased = row[8:]
    # what an earlier release wrote has no request: it is paid, and its stock was never asked for
    asked = json.loads(request or '{"items": {}, "last4": ""}')
    payment = Payment(
        payment_id=payment_id,
        order_id=order_id,
        session_id=session_id,
        user_id=user_id,
        lines=lines,
        total=total,
        currency=currency,
        state=OrderState(state),
        created_at=created_at.replace(tzinfo=UTC),
        reason=reason,
        address=read_address(address),
    )
    return Attempt(
        payment=payment,
        request_hash=digest,
        items=asked["items"],
        last4=asked["last4"],
        lease=lease or "",
        charging=bool(charging),
        leased=bool(leased),
        traceparent=asked.get("traceparent"),
    )
