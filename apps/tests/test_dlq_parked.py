"""What is read from a parked message, whoever put it into the queue."""

import struct
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillupworks.messaging import field_tables
from skillupworks.messaging.field_tables import RawTime
from skillupworks.messaging.parked import Parked

from .dlq_stubs import NOW, parked

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
FIRST_NO_DATE = 253402300800  # the second that begins the year 10000
DEATH = {
    "queue": "order-processing",
    "reason": "delivery_limit",
    "count": 1,
    "time": NOW - timedelta(minutes=1),
}
WAITED = {"queue": "order-processing.retry.5s", "reason": "expired", "count": 2, "time": NOW}


def test_a_consumer_says_why_it_parked_a_message() -> None:
    message = parked(attempts=3, headers={"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"})

    assert message.reason == "invalid"
    assert message.error_class == "ValidationError"
    assert message.attempts == 3
    assert message.queue == "order-processing"
    assert message.source == ("skillupworks", "order.created")
    assert message.parked_at == NOW - timedelta(minutes=10)
    assert message.trace_id == TRACE_ID


def test_the_broker_says_it_in_its_own_header() -> None:
    message = Parked(body=b"{}", headers={"x-death": [DEATH, WAITED]})

    assert message.reason == "delivery_limit"
    assert message.error.startswith("never acknowledged")
    assert message.queue == "order-processing"
    assert message.parked_at == NOW - timedelta(minutes=1)
    assert [death.reason for death in message.deaths] == ["delivery_limit", "expired"]


def test_the_broker_came_after_the_consumer_that_had_retried() -> None:
    message = parked(reason="exhausted", headers={"x-death": [DEATH]})

    assert message.reason == "delivery_limit"
    assert message.error.endswith("before that: total: is 2000, but the items add up to 1999")
    assert message.error_class == "ValidationError"


def test_a_message_that_somebody_put_there_says_nothing() -> None:
    message = Parked(body=b"?", properties={"timestamp": 1702554000})

    assert (message.message_id, message.reason, message.queue) == (None, "unknown", None)
    assert message.parked_at == datetime(2023, 12, 14, 11, 40, tzinfo=UTC)


def test_a_message_without_id_is_named_by_its_body() -> None:
    assert Parked(body=b"a").key == Parked(body=b"a", headers={"x": 1}).key
    assert Parked(body=b"a").key != Parked(body=b"b").key
    assert Parked(body=b"a").key.startswith("sha256:")
    assert Parked(body=b"a", properties={"message_id": ""}).key.startswith("sha256:")


@pytest.mark.parametrize(
    "value", [None, True, -1, 2**70, 1.5, "x", b"\xff", [], [1], {}, {"queue": 1}, RawTime(2**63)]
)
def test_headers_of_any_type_are_no_error(value: object) -> None:
    names = ("attempts", "reason", "error", "error-class", "last-failed-at", "queue", "replays")
    own = {f"skillupworks-{name}": value for name in (*names, "history")}
    message = parked(headers={**own, "x-death": value, "traceparent": value})

    for name in ("reason", "error", "attempts", "parked_at", "queue", "replays", "history"):
        getattr(message, name)
    assert message.trace_id is None


@given(
    st.floats(allow_nan=False)
    | st.integers(FIRST_NO_DATE, 2**64 - 1).map(RawTime)
    | st.integers(0, FIRST_NO_DATE - 1).map(lambda second: datetime.fromtimestamp(second, UTC))
)
def test_times_and_fractions_are_read_as_they_were_written(value: object) -> None:
    pieces: list[bytes] = []
    size = field_tables.encode_value(pieces, value)
    encoded = b"".join(pieces)

    read, offset = field_tables.decode_value(b"before" + encoded, len(b"before"))

    assert len(encoded) == size
    assert offset == len(b"before") + size
    assert read == value


def test_a_time_that_is_no_date_is_kept_as_a_number() -> None:
    milliseconds = struct.pack(">cQ", b"T", 1702554000123)

    value, _offset = field_tables.decode_value(milliseconds, 0)

    assert isinstance(value, RawTime)
    assert value == 1702554000123
