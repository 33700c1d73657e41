"""A copy of a message that failed says all about it, and can be published whatever it says."""

from datetime import datetime
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pika import BasicProperties, data

from skillupworks.errors import PermanentError, StoreUnavailableError
from skillupworks.messaging import field_tables
from skillupworks.messaging.failures import Failure, attempt_of, parked_copy, retry_copy
from skillupworks.messaging.message import Delivery

from .messaging_stubs import TOPOLOGY

# the frame that holds the properties of a message
FRAME_BYTES = 131_072


def delivery(headers: dict[str, object] | None = None, **changes: Any) -> Delivery:
    properties: dict[str, Any] = {
        "body": b'{"orderId": "ORD-1"}',
        "message_id": "message-1",
        "content_type": "application/json",
        "type": "order",
        "headers": headers or {},
        "exchange": "shop",
        "routing_key": "orders.paid",
    }
    return Delivery(**properties | changes)


def headers(failure: Failure) -> dict[str, Any]:
    return dict(parked_copy(failure, TOPOLOGY).headers)


def test_a_parked_copy_is_the_message_with_the_story_of_its_failure() -> None:
    # Given a message that was refused because of another error
    error = PermanentError("total: is 5, but the items add up to 1999", reason="invalid")
    error.__cause__ = ValueError("5 != 1999")

    copy = parked_copy(Failure(delivery({"traceparent": "00-1"}), error, 1), TOPOLOGY)

    assert (copy.exchange, copy.routing_key) == ("shop.dlx", "orders")
    assert copy.body == b'{"orderId": "ORD-1"}'
    assert (copy.message_id, copy.type) == ("message-1", "order")
    assert copy.content_type == "application/json"
    times = {name: copy.headers[name] for name in copy.headers if name.endswith("-failed-at")}
    assert copy.headers == times | {
        "traceparent": "00-1",
        "skillupworks-reason": "invalid",
        "skillupworks-error": "total: is 5, but the items add up to 1999",
        "skillupworks-error-class": "ValueError",
        "skillupworks-attempts": 1,
        "skillupworks-queue": "orders",
        "skillupworks-exchange": "shop",
        "skillupworks-routing-key": "orders.paid",
    }
    first, last = times["skillupworks-first-failed-at"], times["skillupworks-last-failed-at"]
    assert first == last
    assert datetime.fromisoformat(str(first)).tzinfo is not None


def test_a_copy_for_a_later_attempt_goes_to_the_queue_of_its_delay() -> None:
    error = StoreUnavailableError("MySQL: Deadlock found")

    copy = retry_copy(Failure(delivery(), error, 2), TOPOLOGY, 30)

    assert (copy.exchange, copy.routing_key) == ("", "orders.retry.30s")
    assert copy.headers["skillupworks-attempts"] == 2
    assert copy.headers["skillupworks-reason"] == "exhausted"
    assert copy.headers["skillupworks-error-class"] == "StoreUnavailableError"


def test_what_first_happened_to_a_message_is_kept_through_all_attempts() -> None:
    # Given a message that failed for the first time
    error = StoreUnavailableError("MySQL: Deadlock found")
    first = retry_copy(Failure(delivery(), error, 1), TOPOLOGY, 5)

    # When it comes back by another way and fails again
    back = delivery(dict(first.headers), exchange="", routing_key="orders")
    again = retry_copy(Failure(back, error, attempt_of(back, native_retry=False)), TOPOLOGY, 30)

    # Then it still says when it first failed and where it came from
    kept = ("skillupworks-first-failed-at", "skillupworks-exchange", "skillupworks-routing-key")
    assert {name: again.headers[name] for name in kept} == {
        name: first.headers[name] for name in kept
    }
    assert again.headers["skillupworks-attempts"] == 2


@pytest.mark.parametrize(
    ("found", "attempt"),
    [
        ({}, 1),
        ({"skillupworks-attempts": 0}, 1),
        ({"skillupworks-attempts": 4}, 5),
        ({"skillupworks-attempts": -7}, 1),
        ({"skillupworks-attempts": "many"}, 1),
        ({"x-delivery-count": 3}, 1),
    ],
)
def test_attempts_are_counted_by_a_header_of_ours(found: dict[str, object], attempt: int) -> None:
    assert attempt_of(delivery(found), native_retry=False) == attempt


@pytest.mark.parametrize(
    ("found", "attempt"),
    [
        ({}, 1),
        ({"x-delivery-count": 3}, 4),
        ({"skillupworks-attempts": 2}, 3),
        ({"skillupworks-attempts": 2, "x-delivery-count": 3}, 6),
        ({"skillupworks-attempts": "many", "x-delivery-count": -3}, 1),
    ],
)
def test_where_the_queue_delays_retries_its_count_goes_on_from_ours(
    found: dict[str, object], attempt: int
) -> None:
    assert attempt_of(delivery(found), native_retry=True) == attempt


def test_when_a_message_first_failed_is_not_made_up() -> None:
    # Given one that its queue has delayed twice, which leaves no trace but a number
    message = delivery({"x-delivery-count": 2})

    found = headers(Failure(message, OSError("away"), attempt_of(message, native_retry=True)))

    assert found["skillupworks-attempts"] == 3
    assert "skillupworks-first-failed-at" not in found
    assert "skillupworks-last-failed-at" in found


@pytest.mark.parametrize("name", ["x-death", "x-delivery-count", "x-first-death-reason"])
def test_what_the_broker_has_added_is_not_passed_on(name: str) -> None:
    assert name not in headers(Failure(delivery({name: 1}), PermanentError("no"), 1))


@pytest.mark.parametrize("name", ["CC", "BCC"])
def test_a_copy_goes_nowhere_else_whatever_the_message_was_copied_to(name: str) -> None:
    found: dict[str, object] = {name: ["orders", "payments"]}

    assert name not in headers(Failure(delivery(found), PermanentError("no"), 1))


def test_a_header_with_a_name_that_is_no_text_is_passed_on() -> None:
    odd: Any = b"\xff\xfe"

    assert headers(Failure(delivery({odd: b"\xff"}), PermanentError("no"), 1))[odd] == b"\xff"


def test_an_error_without_words_is_told_by_its_class() -> None:
    assert headers(Failure(delivery(), KeyError(), 1))["skillupworks-error"] == "KeyError"


def test_headers_that_leave_no_room_are_left_out_and_the_message_can_be_parked() -> None:
    found: dict[str, object] = {"novel": "word " * 20_000, "skillupworks-attempts": 3}

    left = headers(Failure(delivery(found), PermanentError("no"), 4))

    assert "novel" not in left
    assert left["skillupworks-headers"] == "left out, since they were too large"
    assert left["skillupworks-attempts"] == 4


# what pika makes of the headers that a broker delivers
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=50)
    | st.binary(max_size=50)
    | st.integers(0, 2**64 - 1).map(field_tables.RawTime),
    lambda values: (
        st.lists(values, max_size=4) | st.dictionaries(st.text(max_size=10), values, max_size=4)
    ),
    max_leaves=8,
)


class TestProperty:
    """Every copy can be written."""

    @example(found={}, words="\ud800", filler=0, letter="a", attempt=1)
    @given(
        found=st.dictionaries(st.text(max_size=30), VALUES, max_size=8),
        words=st.text(st.characters(), max_size=3000),
        filler=st.integers(0, 120_000),
        letter=st.sampled_from("aé€😀"),
        attempt=st.integers(1, 2**63),
    )
    def test_whatever_a_message_and_its_error_say_the_copy_fits_into_a_frame(
        self,
        found: dict[str, object],
        words: str,
        filler: int,
        letter: str,
        attempt: int,
    ) -> None:
        # Given headers that fit into a frame themselves, and any words of an error
        found["skillupworks-attempts"] = attempt
        found["filler"] = letter * (filler // len(letter.encode()))
        message = delivery(found)
        failure = Failure(message, ValueError(words), attempt_of(message, native_retry=False))

        for copy in (parked_copy(failure, TOPOLOGY), retry_copy(failure, TOPOLOGY, 600)):
            # When the copy is written as it is published
            properties = BasicProperties(
                message_id=copy.message_id,
                content_type=copy.content_type,
                type=copy.type,
                headers=cast("dict[str, Any]", dict(copy.headers)),
            )
            written = b"".join(properties.encode())

            # Then the broker can take it
            assert len(written) < FRAME_BYTES - 100


@pytest.fixture(autouse=True)
def _repaired(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pika write what a broker accepts, as every connection of ours does."""
    for name in ("encode_value", "decode_value"):
        monkeypatch.setattr(data, name, getattr(data, name))
    field_tables.repair()
