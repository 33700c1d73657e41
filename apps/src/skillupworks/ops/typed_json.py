"""Values of AMQP headers as JSON, and back, with their types.

What JSON cannot say is an object with one member: {"$bytes": "base64"},
{"$time": "2024-12-14T10:00:00+00:00"} or {"$time": 1702554000123} for seconds that are no date,
{"$decimal": "19.99"}, {"$float": "inf"}, and {"$table": [[name, value], …]} for a table that could
be taken for one of these. Of numbers, AMQP's widths are not kept: an integer is an integer.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any, cast

from skillupworks.messaging.field_tables import RawTime

__all__ = ["TIMES", "WrongValueError", "check_short", "from_plain", "to_bytes", "to_plain"]

# limits of AMQP: a name is a short string, an integer has 64 bits, a decimal 32
SHORT_STRING = 255
INTEGERS = range(-(2**63), 2**63)
TIMES = range(2**64)
DECIMALS = range(2**31)
SHOWN_CHARACTERS = 60


class WrongValueError(Exception):
    """A value that AMQP does not have; the text begins with where it stands."""

    def __init__(self, path: str, problem: str, value: object = None) -> None:
        shown = "" if value is None else f" {_shorten(repr(value))}"
        super().__init__(f"{path}:{shown} {problem}")


def to_plain(value: object) -> Any:  # noqa: ANN401, C901, PLR0911 - what JSON has; a case per type
    """Return a value as JSON can say it."""
    match value:
        case None | bool() | str():
            return value
        case bytes():
            return {"$bytes": base64.b64encode(value).decode()}
        case RawTime():
            return {"$time": int(value)}
        case int():
            return int(value)
        case float():
            return value if isfinite(value) else {"$float": str(value)}
        case Decimal():
            return {"$decimal": str(value)}
        case datetime():
            return {"$time": value.isoformat()}
        case list():
            return [to_plain(item) for item in value]
        case Mapping():
            if all(isinstance(name, str) and not name.startswith("$") for name in value):
                return {name: to_plain(item) for name, item in value.items()}
            return {"$table": [[to_plain(name), to_plain(item)] for name, item in value.items()]}
    raise TypeError(f"AMQP has no {type(value).__name__}")


def from_plain(path: str, plain: object) -> object:
    """Return the value that `to_plain` wrote; raises WrongValueError, beginning with `path`."""
    match plain:
        case None | bool() | float():
            return plain
        case str():
            _check_text(path, plain)
            return plain
        case int():
            if plain not in INTEGERS:
                raise WrongValueError(path, "does not fit into 64 bits", plain)
            return plain
        case list():
            return [from_plain(f"{path}[{place}]", item) for place, item in enumerate(plain)]
    table = cast("dict[str, object]", plain)
    for kind in table:
        if kind.startswith("$"):
            if len(table) > 1 or kind not in _TYPED:
                raise WrongValueError(path, "is no type of value", kind)
            return _TYPED[kind](path, table[kind])
    for name in table:
        check_short(path, name)
    return {name: from_plain(f"{path}.{name}", item) for name, item in table.items()}


def check_short(path: str, value: object) -> None:
    """Raise WrongValueError unless AMQP takes the value as a name or a property."""
    if not isinstance(value, str | bytes):
        raise WrongValueError(path, "is no text", value)
    size = len(value) if isinstance(value, bytes) else _check_text(path, value)
    if size > SHORT_STRING:
        raise WrongValueError(path, f"is longer than {SHORT_STRING} bytes", value)


def to_bytes(path: str, plain: object) -> bytes:
    """Return what is written as base64."""
    if isinstance(plain, str):
        try:
            return base64.b64decode(plain, validate=True)
        except (binascii.Error, ValueError):
            pass
    raise WrongValueError(path, "is not base64")


def _check_text(path: str, text: str) -> int:
    """Return how many bytes the text has."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise WrongValueError(path, "has half a character, which cannot be sent", text) from None


def _to_time(path: str, plain: object) -> object:
    if isinstance(plain, int) and not isinstance(plain, bool) and plain in TIMES:
        return RawTime(plain)
    try:
        time = datetime.fromisoformat(cast("str", plain))
        if time.tzinfo is not None and time.timestamp() >= 0:
            return time
    except (ValueError, TypeError, OverflowError):
        pass
    raise WrongValueError(path, "is no time", plain)


def _to_decimal(path: str, plain: object) -> object:
    try:
        number = Decimal(cast("str", plain))
    except (InvalidOperation, TypeError, ValueError):
        number = Decimal("NaN")
    _sign, digits, exponent = number.as_tuple()
    if isinstance(exponent, int) and -SHORT_STRING <= exponent <= 0:
        unscaled = int("".join(map(str, digits)))
        if unscaled in DECIMALS:
            return number
    raise WrongValueError(path, "is no decimal of 32 bits", plain)


def _to_float(path: str, plain: object) -> object:
    if isinstance(plain, str) and plain in ("inf", "-inf", "nan"):
        return float(plain)
    raise WrongValueError(path, "is no inf, -inf or nan", plain)


def _to_table(path: str, plain: object) -> object:
    table: dict[object, object] = {}
    for place, row in enumerate(plain if isinstance(plain, list) else [None]):
        match row:
            case [name, item]:
                key = from_plain(f"{path}[{place}]", name)
                check_short(f"{path}[{place}]", key)
                table[key] = from_plain(f"{path}[{place}]", item)
            case _:
                raise WrongValueError(path, "must be a list of names with values")
    return table


def _shorten(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


_TYPED = {
    "$bytes": to_bytes,
    "$time": _to_time,
    "$decimal": _to_decimal,
    "$float": _to_float,
    "$table": _to_table,
}
