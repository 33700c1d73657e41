"""Header values that pika 1.4 cannot read or write: repaired where it looks for the functions.

A time that no datetime can hold, such as milliseconds where AMQP has seconds, makes pika drop the
connection: again and again, since the broker then delivers the same message to the next one. A
number with a fraction is read without the fraction, and cannot be written at all.
"""

import struct
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pika import data

__all__ = ["RawTime", "repair"]

TIME = ord("T")
REPAIRED = {TIME: ">Q", ord("f"): ">f", ord("d"): ">d"}

Decode = Callable[[bytes, int], tuple[Any, int]]
Encode = Callable[[list[bytes], Any], int]

# pika's own, for everything else
_decode: Decode = data.decode_value
_encode: Encode = data.encode_value


class RawTime(int):
    """An AMQP time that is no date: the number that stands where the seconds should be."""

    __slots__ = ()


def repair() -> None:
    """Let pika read every header that RabbitMQ accepts, and write it as it was; may be repeated."""
    data.decode_value = decode_value
    data.encode_value = encode_value


def decode_value(encoded: bytes, offset: int) -> tuple[Any, int]:
    """Return the value at `offset` and the offset behind it."""
    kind = encoded[offset]
    if kind not in REPAIRED:
        return _decode(encoded, offset)
    form = REPAIRED[kind]
    (value,) = struct.unpack_from(form, encoded, offset + 1)
    if kind == TIME:
        try:
            value = datetime.fromtimestamp(value, UTC)
        except (ValueError, OverflowError, OSError):
            value = RawTime(value)
    return value, offset + 1 + struct.calcsize(form)


def encode_value(pieces: list[bytes], value: object) -> int:
    """Append the value's bytes and return how many they are."""
    if isinstance(value, float):
        piece = struct.pack(">cd", b"d", value)
    elif isinstance(value, RawTime):
        piece = struct.pack(">cQ", b"T", value)
    else:
        return _encode(pieces, value)
    pieces.append(piece)
    return len(piece)
