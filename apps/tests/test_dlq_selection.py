"""Filters choose the messages that a command is about."""

from datetime import timedelta

import pytest

from skillupworks.messaging.parked import Parked
from skillupworks.ops.selection import Selection, order_id_of, parse_age

from .dlq_stubs import NOW, parked


def test_without_a_filter_all_messages_match() -> None:
    assert parked() in Selection()
    assert Parked(body=b"") in Selection()


def test_values_of_one_filter_are_alternatives() -> None:
    selection = Selection(reasons={"invalid", "exhausted"})

    assert parked(reason="exhausted") in selection
    assert parked(reason="malformed") not in selection


def test_all_filters_must_be_met() -> None:
    selection = Selection(reasons={"invalid"}, error_classes={"ValidationError"}, orders={"ORD-1"})

    assert parked() in selection
    assert parked(error_class="KeyError") not in selection
    assert parked(body=b'{"orderId": "ORD-2"}') not in selection


def test_a_message_is_found_by_its_id_or_by_the_name_that_stands_for_one() -> None:
    without_id = parked(None)

    assert parked("message-7") in Selection(keys={"message-7"})
    assert without_id in Selection(keys={without_id.key})
    assert without_id not in Selection(keys={"message-7"})


def test_a_message_is_older_from_its_age_on_and_newer_below_it() -> None:
    then = NOW - timedelta(minutes=10)

    assert parked(minutes=10) in Selection(before=then)
    assert parked(minutes=9) not in Selection(before=then)
    assert parked(minutes=10) not in Selection(after=then)
    assert parked(minutes=9) in Selection(after=then)
    assert parked(minutes=30) in Selection(before=then, after=NOW - timedelta(hours=1))


def test_a_message_of_unknown_age_is_neither_older_nor_newer() -> None:
    unknown = Parked(body=b"")

    assert unknown not in Selection(before=NOW)
    assert unknown not in Selection(after=NOW)


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("45s", timedelta(seconds=45)),
        ("10m", timedelta(minutes=10)),
        ("2h", timedelta(hours=2)),
        ("3d", timedelta(days=3)),
        ("1w", timedelta(weeks=1)),
        ("1d12h", timedelta(hours=36)),
        ("0s", timedelta()),
    ],
)
def test_an_age_is_a_number_with_its_unit(text: str, age: timedelta) -> None:
    assert parse_age(text) == age


@pytest.mark.parametrize("text", ["", "10", "m", "1y", "-1h", "1.5h", "2 h", "1h ", "9999999d"])
def test_anything_else_is_no_age(text: str) -> None:
    with pytest.raises(ValueError, match="is no age"):
        parse_age(text)


@pytest.mark.parametrize(
    ("body", "order_id"),
    [
        (b'{"orderId": "ORD-1"}', "ORD-1"),
        (b'{"order_id": "ORD-1"}', "ORD-1"),
        (b'{"orderId": 7}', "7"),
        (b'{"orderId": "ORD-1", "items": [{"sku"', "ORD-1"),
        (b'{"orderId": null}', None),
        (b'{"orderId": ["ORD-1"]}', None),
        (b"[]", None),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
        (b"", None),
    ],
)
def test_the_order_is_found_in_a_body_that_is_almost_one(body: bytes, order_id: str | None) -> None:
    assert order_id_of(Parked(body=body)) == order_id
