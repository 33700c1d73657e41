"""The file of exported messages: what is read is what was written, and mistakes are named."""

import base64
import json
import os
import stat
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillupworks.messaging.field_tables import RawTime
from skillupworks.messaging.parked import Parked
from skillupworks.ops.message_file import (
    MessageFile,
    MessageFileError,
    read_messages,
    write_message,
)

from .dlq_stubs import parked

QUEUE = "order-processing-dlq"

texts = st.text(st.characters(codec="utf-8"), max_size=40)
names = texts.filter(lambda text: len(text.encode()) < 256)
times = st.integers(0, 253402300799).map(lambda second: datetime.fromtimestamp(second, UTC))
decimals = st.builds(
    lambda number, places: Decimal(number).scaleb(-places),
    st.integers(-(2**31) + 1, 2**31 - 1),
    st.integers(0, 20),
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | texts
    | st.binary(max_size=20)
    | times
    | st.integers(2**40, 2**64 - 1).map(RawTime)
    | decimals
)
# a name that is no UTF-8 comes out of pika as bytes
any_name = names | st.sampled_from(["$bytes", "$", "$table"]) | st.just(b"\xff\xfe")
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_name, inner, max_size=3),
    max_leaves=10,
)
properties = st.fixed_dictionaries(
    {},
    optional={
        "message_id": names | st.just(b"\xff"),
        "content_type": names,
        "content_encoding": names,
        "type": names,
        "correlation_id": names,
        "app_id": names,
        "timestamp": st.integers(0, 2**64 - 1),
        "priority": st.integers(0, 255),
        "delivery_mode": st.just(2),
    },
)
messages = st.builds(
    Parked,
    body=st.binary(max_size=200),
    headers=st.dictionaries(any_name, values, max_size=5),
    properties=properties,
)


def exported(*found: Parked) -> list[dict[str, Any]]:
    return [json.loads(write_message(QUEUE, message)) for message in found]


def write(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@given(st.lists(messages, max_size=4))
def test_what_was_written_is_read_again_with_its_types(
    tmp_path_factory: pytest.TempPathFactory, written: list[Parked]
) -> None:
    path = tmp_path_factory.mktemp("file") / "messages.jsonl"
    path.write_bytes(b"".join(write_message(QUEUE, message) for message in written))

    read = list(read_messages(path, QUEUE))

    assert [repr(message) for message in read] == [repr(message) for message in written]


def test_each_message_is_one_line_that_a_person_can_read() -> None:
    (line,) = write_message(QUEUE, parked(headers={"note": "₹ 19.99"})).splitlines()

    assert '"queue": "order-processing-dlq"' in line.decode()
    assert '"note": "₹ 19.99"' in line.decode()


def test_the_file_is_for_its_owner_only_and_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "messages.jsonl"
    before = os.umask(0)
    with MessageFile(path, QUEUE) as file:
        file.write([parked()])
    os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with (
        pytest.raises(MessageFileError, match="File exists"),
        MessageFile(path, QUEUE) as file,
    ):
        file.write([parked()])
    assert len(path.read_text().splitlines()) == 1


def test_there_is_no_file_until_there_is_a_message(tmp_path: Path) -> None:
    with MessageFile(tmp_path / "messages.jsonl", QUEUE):
        pass

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"queue": "other"}, "queue: 'other' is not 'order-processing-dlq'"),
        ({"body": "no base64!"}, "body: is not base64"),
        ({"body": 7}, "body: is not base64"),
        ({"body": None}, "body: is missing"),
        ({"hedaers": {}}, "hedaers: is no known field"),
        ({"headers": []}, "headers: must be an object"),
        ({"headers": {"a": [1, {"b": 2**64}]}}, "headers.a[1].b: 18446744073709551616 does not"),
        ({"headers": {"a": {"$bytes": "?"}}}, "headers.a: is not base64"),
        ({"headers": {"a": {"$time": "noon"}}}, "headers.a: 'noon' is no time"),
        ({"headers": {"a": {"$time": "2026-01-01"}}}, "headers.a: '2026-01-01' is no time"),
        ({"headers": {"a": {"$decimal": "1e9"}}}, "headers.a: '1e9' is no decimal of 32 bits"),
        ({"headers": {"a": {"$float": "1"}}}, "headers.a: '1' is no inf, -inf or nan"),
        ({"headers": {"a": {"$table": [1]}}}, "headers.a: must be a list of names with values"),
        ({"headers": {"a": {"$blob": "x"}}}, "headers.a: '$blob' is no type of value"),
        ({"headers": {"n" * 256: 1}}, "is longer than 255 bytes"),
        ({"headers": {"a": "\ud800"}}, "headers.a: '\\ud800' has half a character"),
        ({"properties": {"colour": 1}}, "properties.colour: is no property of AMQP"),
        ({"properties": {"priority": 256}}, "properties.priority: 256 is no number from 0 to 255"),
        ({"properties": {"priority": True}}, "properties.priority: True is no number"),
        ({"properties": {"message_id": 7}}, "properties.message_id: 7 is no text"),
        ({"properties": None}, "properties: is missing"),
    ],
    ids=str,
)
def test_a_mistake_is_named_by_line_and_field(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    good, changed = exported(parked(), parked())
    changed = {name: value for name, value in (changed | change).items() if value is not None}
    path = write(tmp_path / "messages.jsonl", good, changed)

    with pytest.raises(MessageFileError) as caught:
        list(read_messages(path, QUEUE))
    assert str(caught.value).startswith(f"{path}, line 2: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "is no JSON object"),
        ('{"queue": NaN}', "NaN is no number"),
        ("[" * 100_000, ""),
    ],
)
def test_a_line_that_is_no_message_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "messages.jsonl"
    path.write_text(line + "\n")

    with pytest.raises(MessageFileError, match="line 1: ") as caught:
        list(read_messages(path, QUEUE))
    assert said in str(caught.value)


def test_a_body_that_the_broker_would_refuse_is_refused_before(tmp_path: Path) -> None:
    (record,) = exported(parked())
    record["body"] = base64.b64encode(bytes(16 * 1024 * 1024 + 1)).decode()

    with pytest.raises(MessageFileError, match="body: is larger than RabbitMQ takes"):
        list(read_messages(write(tmp_path / "messages.jsonl", record), QUEUE))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(MessageFileError, match="No such file or directory"):
        list(read_messages(tmp_path / "none", QUEUE))
