"""The file that messages are exported to: JSON Lines, one message a line, mode 0600.

    {"queue": "order-processing-dlq",
     "properties": {"message_id": "ORD-1702554000123", "content_type": "application/json", …},
     "headers": {"skillupworks-reason": "invalid", …},
     "body": "eyJvcmRlcklkIjog…"}

`body` is base64; for what stands in `headers` and `properties` see typed_json.
"""

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NoReturn, Self

from skillupworks.errors import SkillUpWorksError
from skillupworks.messaging.parked import Parked
from skillupworks.ops.typed_json import (
    TIMES,
    WrongValueError,
    check_short,
    from_plain,
    to_bytes,
    to_plain,
)

__all__ = ["MessageFile", "MessageFileError", "read_messages", "write_message"]

FIELDS = ("queue", "properties", "headers", "body")
TEXTS = (
    *("message_id", "content_type", "content_encoding", "type", "correlation_id", "reply_to"),
    *("app_id", "cluster_id", "user_id", "expiration"),
)
NUMBERS = {"timestamp": TIMES, "priority": range(256), "delivery_mode": range(256)}
# the default of `max_message_size` in RabbitMQ 4
BODY_BYTES = 16 * 1024 * 1024


class MessageFileError(SkillUpWorksError):
    """The file cannot be written or read; the line says where and why."""


class MessageFile:
    """A new file for messages; it is made with the first one, and must not be there before."""

    def __init__(self, path: Path, queue: str) -> None:
        self.path = path
        self.written = 0
        self._queue = queue
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, messages: list[Parked]) -> None:
        """Write them; when this returns, they are on the disk. Raises MessageFileError."""
        try:
            if self._file is None:
                self._file = self._create()
            self._file.writelines(write_message(self._queue, message) for message in messages)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise MessageFileError(f"{self.path}: {error.strerror}") from error
        self.written += len(messages)

    def _create(self) -> BinaryIO:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return os.fdopen(descriptor, "wb")


def write_message(queue: str, message: Parked) -> bytes:
    """Return the line of a message, with its end."""
    line = {
        "queue": queue,
        "properties": {name: to_plain(value) for name, value in message.properties.items()},
        "headers": to_plain(message.headers),
        "body": base64.b64encode(message.body).decode(),
    }
    return json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def read_messages(path: Path, queue: str) -> Iterator[Parked]:
    """Yield the messages of a file that was exported from `queue`.

    Raises MessageFileError with line and field at the first thing that is wrong.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    yield _read_message(line, queue)
                except (WrongValueError, RecursionError) as error:
                    raise MessageFileError(f"{path}, line {number}: {error}") from None
    except OSError as error:
        raise MessageFileError(f"{path}: {error.strerror}") from error


def _read_message(line: bytes, queue: str) -> Parked:
    try:
        record = json.loads(line, parse_constant=_refuse_constant)
    except ValueError as error:
        raise WrongValueError("message", f"is not JSON: {error}") from None
    if not isinstance(record, dict):
        raise WrongValueError("message", "is no JSON object")
    for name in (*FIELDS, *record):
        if name not in record:
            raise WrongValueError(name, "is missing")
        if name not in FIELDS:
            raise WrongValueError(name, "is no known field")
    if record["queue"] != queue:
        raise WrongValueError("queue", f"is not '{queue}'", record["queue"])
    body = to_bytes("body", record["body"])
    if len(body) > BODY_BYTES:
        raise WrongValueError("body", f"is larger than RabbitMQ takes ({BODY_BYTES} bytes)")
    headers = from_plain("headers", record["headers"])
    if not isinstance(headers, dict):
        raise WrongValueError("headers", "must be an object")
    return Parked(body=body, headers=headers, properties=_properties(record["properties"]))


def _properties(record: object) -> dict[str, object]:
    if not isinstance(record, dict):
        raise WrongValueError("properties", "must be an object")
    properties: dict[str, object] = {}
    for name, plain in record.items():
        path = f"properties.{name}"
        if name in TEXTS:
            properties[name] = from_plain(path, plain)
            check_short(path, properties[name])
        elif name not in NUMBERS:
            raise WrongValueError(path, "is no property of AMQP")
        elif type(plain) is not int or plain not in NUMBERS[name]:
            raise WrongValueError(path, f"is no number from 0 to {NUMBERS[name][-1]}", plain)
        else:
            properties[name] = plain
    return properties


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
