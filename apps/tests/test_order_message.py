"""The order processor accepts the documented message and names what is wrong with any other."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skillupworks.errors import PermanentError
from skillupworks.messaging.message import Delivery
from skillupworks.shop.order import Line, Order
from skillupworks.shop.order_message import parse_order, write_order

from .conftest import ORDER_MESSAGE, DeliveryMaker

LINE = ORDER_MESSAGE["items"][0]


def test_the_documented_message_is_understood(delivery: DeliveryMaker) -> None:
    order = parse_order(delivery())

    assert order == Order(
        order_id="ORD-1702554000123",
        session_id="user-session-123",
        user_id="507f1f77bcf86cd799439011",
        items=(Line("Linux", "Linux Administration", 199900, 1),),
        total=199900,
        timestamp=datetime(2024, 12, 14, 10, tzinfo=UTC),
        payment_id="pay_1234567890",
    )


def test_a_field_of_a_later_version_is_ignored(delivery: DeliveryMaker) -> None:
    assert parse_order(delivery({"coupon": "DIWALI"})) == parse_order(delivery())


def test_the_offset_of_the_time_is_taken_into_account(delivery: DeliveryMaker) -> None:
    order = parse_order(delivery({"timestamp": "2024-12-14T15:30:00.5+05:30"}))

    assert datetime(2024, 12, 14, 10, 0, 0, 500_000, tzinfo=UTC) == order.timestamp


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"orderId": None}, "orderId: "),
        ({"orderId": ""}, "orderId: "),
        ({"orderId": "ORD 1\nfake line"}, "orderId: "),
        ({"sessionId": "a\nb"}, "sessionId: must not contain control characters"),
        ({"sessionId": "a\u2028b"}, "sessionId: must not contain control characters"),
        ({"userId": 5}, "userId: "),
        ({"userId": "u" * 129}, "userId: "),
        ({"items": []}, "items: "),
        ({"items": {"0": LINE}}, "items: "),
        ({"items": [LINE | {"quantity": 0}]}, "items[0].quantity: "),
        ({"items": [LINE | {"quantity": -1}]}, "items[0].quantity: "),
        ({"items": [LINE | {"quantity": 1.5}]}, "items[0].quantity: "),
        ({"items": [LINE | {"quantity": 10**9}]}, "items[0].quantity: "),
        ({"items": [LINE | {"price": -1}]}, "items[0].price: must not be negative"),
        ({"items": [LINE, LINE | {"sku": ""}], "total": 3998}, "items[1].sku: "),
        ({"total": 1999.001}, "total: must have at most two decimals"),
        ({"total": 1e300}, "total: is too large"),
        ({"total": "1999"}, "total: must be a number"),
        ({"total": 2000}, "total: is 2000, but the items add up to 1999"),
        ({"timestamp": "yesterday"}, "timestamp: must be an RFC 3339 time"),
        ({"timestamp": "2024-12-14T10:00:00"}, "timestamp: must be an RFC 3339 time"),
        ({"timestamp": 1734170400}, "timestamp: must be an RFC 3339 time"),
        ({"timestamp": "2024-13-14T10:00:00Z"}, "timestamp: "),
        ({"timestamp": "0001-01-01T00:00:00+01:00"}, "timestamp: is out of range"),
        ({"paymentId": "pay 1"}, "paymentId: "),
    ],
)
def test_a_wrong_field_is_named(
    delivery: DeliveryMaker, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(PermanentError) as caught:
        parse_order(delivery(changes))

    assert str(caught.value).startswith(problem)
    assert caught.value.reason == "invalid"


@pytest.mark.parametrize("field", list(ORDER_MESSAGE))
def test_every_field_is_required(field: str) -> None:
    message = {name: value for name, value in ORDER_MESSAGE.items() if name != field}

    with pytest.raises(PermanentError, match=rf"^{field}: Field required"):
        parse_order(Delivery(json.dumps(message).encode()))


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "body: is not JSON"),
        (b"{not json", "body: is not JSON"),
        (b"\xff\xfe", "body: is not UTF-8"),
        (json.dumps(ORDER_MESSAGE).encode("utf-16"), "body: is not UTF-8"),
        (b"[" * 100_000, "body: is not JSON"),
        (b'{"total": NaN}', "body: is not JSON: NaN"),
        (b'{"of a later version": [-Infinity]}', "body: is not JSON: -Infinity"),
        (b'{"orderId": "\\ud800"}', "body: is not JSON"),
        (b'{"of a later version": ' + b"[" * 100_000, "body: is not JSON"),
        (b" " * 300_000, "body: 300000 bytes are more than"),
    ],
)
def test_a_body_that_is_no_json_document_is_malformed(body: bytes, problem: str) -> None:
    with pytest.raises(PermanentError) as caught:
        parse_order(Delivery(body))

    assert str(caught.value).startswith(problem)
    assert caught.value.reason == "malformed"


@pytest.mark.parametrize("body", [b"[]", b"null", b'"order"', b"1e999999999999999999999"])
def test_another_json_value_is_no_order(body: bytes) -> None:
    with pytest.raises(PermanentError, match=r"^body: must be a JSON object$") as caught:
        parse_order(Delivery(body))

    assert caught.value.reason == "invalid"


def test_what_looks_like_no_number_may_be_part_of_a_text(delivery: DeliveryMaker) -> None:
    assert parse_order(delivery({"userId": "NaN and Infinity"})).user_id == "NaN and Infinity"


@pytest.mark.parametrize("content_type", [None, "", "application/json; charset=utf-8"])
def test_the_content_type_may_be_left_out_or_have_parameters(
    delivery: DeliveryMaker, content_type: str | None
) -> None:
    assert parse_order(delivery(content_type=content_type)) == parse_order(delivery())


@pytest.mark.parametrize(
    "properties", [{"content_type": "text/plain"}, {"content_encoding": "gzip"}]
)
def test_another_content_type_or_encoding_is_malformed(
    delivery: DeliveryMaker, properties: dict[str, str]
) -> None:
    with pytest.raises(PermanentError, match=f"^{next(iter(properties))}: "):
        parse_order(delivery(**properties))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.sampled_from(list(ORDER_MESSAGE)), JSON_VALUES))
@example({"items": [[]]})
def test_whatever_arrives_is_an_order_or_a_permanent_error(changes: dict[str, Any]) -> None:
    body = json.dumps(ORDER_MESSAGE | changes).encode()

    try:
        order = parse_order(Delivery(body))
    except PermanentError as error:
        assert str(error)
    else:
        assert order.total == sum(line.total for line in order.items)


@given(st.binary())
def test_no_bytes_raise_anything_but_a_permanent_error(body: bytes) -> None:
    with pytest.raises(PermanentError):
        parse_order(Delivery(body))


LINES = st.builds(
    Line,
    sku=st.sampled_from(["Linux", "Shipping Cost", "✨"]),
    name=st.just("Linux Administration"),
    price=st.integers(0, 10_000_000),
    quantity=st.integers(1, 99),
)


@given(st.lists(LINES, min_size=1, max_size=51))
def test_what_payment_writes_the_order_processor_reads(lines: list[Line]) -> None:
    order = Order(
        order_id="ORD-1702554000123456",
        session_id="session-12345",
        user_id="507f1f77bcf86cd799439011",
        items=tuple(lines),
        total=sum(line.total for line in lines),
        timestamp=datetime(2024, 12, 14, 10, 0, 0, 123_000, tzinfo=UTC),
        payment_id="pay_1234567890",
    )

    assert parse_order(Delivery(write_order(order))) == order


def test_whole_rupees_are_integers_on_the_wire() -> None:
    order = Order(
        order_id="ORD-1702554000123",
        session_id="s",
        user_id="u",
        items=(Line("Linux", "Linux Administration", 199900, 1), Line("MySQL", "M", 159950, 1)),
        total=359850,
        timestamp=datetime(2024, 12, 14, 10, tzinfo=UTC),
        payment_id="p",
    )

    text = write_order(order).decode()

    assert '"price":1999,' in text
    assert '"price":1599.5,' in text
    assert '"timestamp":"2024-12-14T10:00:00.000Z"' in text
