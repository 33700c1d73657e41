"""Which of the parked messages a command is about."""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from skillupworks.messaging.parked import Parked

__all__ = ["Selection", "order_id_of", "parse_age"]

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
AGE = re.compile(r"(?:\d{1,6}[smhdw])+")
# in a body that is no JSON, or not all of it
ORDER_ID = re.compile(rb'"order_?[Ii]d"\s*:\s*"([^"\\]{1,128})"')


@dataclass(frozen=True)
class Selection:
    """What a message must meet; an empty one is met by all messages.

    Of several values of one kind a message has one, and it meets all kinds that are given.
    `before` and `after` are about when it was parked; a message without any time meets neither.
    """

    keys: Collection[str] = ()
    orders: Collection[str] = ()
    reasons: Collection[str] = ()
    error_classes: Collection[str] = ()
    before: datetime | None = None
    after: datetime | None = None

    def __contains__(self, message: Parked) -> bool:
        return (
            (not self.keys or message.key in self.keys)
            and (not self.reasons or message.reason in self.reasons)
            and (not self.error_classes or message.error_class in self.error_classes)
            and self._is_in_time(message.parked_at)
            and (not self.orders or order_id_of(message) in self.orders)
        )

    def _is_in_time(self, time: datetime | None) -> bool:
        if time is None:
            return self.before is None and self.after is None
        return (self.before is None or time <= self.before) and (
            self.after is None or time > self.after
        )


def parse_age(text: str) -> timedelta:
    """Return the time that `10m`, `2h`, `3d` or `1d12h` stand for; raises ValueError."""
    if not AGE.fullmatch(text):
        raise ValueError(f"'{text}' is no age: write 45s, 10m, 2h, 3d, 1w or 1d12h")
    parts = re.findall(r"(\d+)([smhdw])", text)
    return sum((timedelta(**{UNITS[unit]: int(n)}) for n, unit in parts), timedelta())


def order_id_of(message: Parked) -> str | None:
    """Return the order that a message is about, also when its body is only almost an order."""
    try:
        body = json.loads(message.body)
    except (ValueError, RecursionError):
        found = ORDER_ID.search(message.body)
        return found[1].decode(errors="backslashreplace") if found else None
    if not isinstance(body, dict):
        return None
    value = body.get("orderId", body.get("order_id"))
    return str(value) if isinstance(value, str | int) else None
