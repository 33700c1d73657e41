"""From a delivery to a message: what every consumer refuses before its handler sees anything.

    read_greeting = json_model(Greeting)     # a pydantic model, or a TypedDict or dataclass
    greeting = read_greeting(delivery)       # or PermanentError, which parks the message

A model that shall not turn "1" into 1 says so itself, with `ConfigDict(strict=True)`.
"""

import json
from collections.abc import Callable
from typing import Never, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import CoreConfig, SchemaValidator

from skillupworks.errors import PermanentError
from skillupworks.messaging.message import Delivery
from skillupworks.runtime.validation import problems_of

__all__ = ["MAX_BODY_BYTES", "json_model"]

M = TypeVar("M")

MAX_BODY_BYTES = 256 * 1024
JSON = "application/json"
ENCODINGS = (None, "", "identity", "utf-8")
# pydantic's words for a document that is no object, by the kind of model
NOT_AN_OBJECT = ("model_type", "dict_type", "dataclass_type")


def json_model(model: type[M], *, max_bytes: int = MAX_BODY_BYTES) -> Callable[[Delivery], M]:
    """Return the function that reads such a message from a delivery.

    It raises PermanentError: "malformed" for what is no JSON document of a tolerable size, and
    "invalid" for one that is none of this model, with each wrong field's path.
    """
    # Most values are new ones each time: with all of them kept to be found again, as is the
    # default, reading takes a sixth longer and a megabyte more.
    config = CoreConfig(cache_strings="keys")
    validate = SchemaValidator(TypeAdapter(model).core_schema, config).validate_json

    def read(delivery: Delivery) -> M:
        body = delivery.body
        _require_json(delivery, max_bytes)
        # the parser takes both for numbers, as no other does; they may as well be part of a text
        if b"NaN" in body or b"Infinity" in body:
            _require_json_numbers(body)
        try:
            message: M = validate(body)
        except ValidationError as error:
            raise _permanent(body, error) from error
        return message

    return read


def _require_json(delivery: Delivery, max_bytes: int) -> None:
    if delivery.content_encoding not in ENCODINGS:
        raise _malformed(f"content_encoding: {delivery.content_encoding!r} is not supported")
    if delivery.content_type not in (None, "", JSON):
        media_type = delivery.content_type.split(";")[0].strip().lower()
        if media_type != JSON:
            raise _malformed(f"content_type: must be {JSON}, got {media_type!r}")
    if len(delivery.body) > max_bytes:
        raise _malformed(f"body: {len(delivery.body)} bytes are more than {max_bytes}")


def _require_json_numbers(body: bytes) -> None:
    try:
        json.loads(body, parse_constant=_no_constant)
    except _NoJsonNumberError as error:
        raise _malformed(f"body: is not JSON: {error}") from None
    except (ValueError, RecursionError):
        return  # something else is wrong: the parser will say what


def _permanent(body: bytes, error: ValidationError) -> PermanentError:
    detail = error.errors(include_url=False, include_input=False)[0]
    if detail["type"] == "json_invalid":
        try:
            body.decode()
        except UnicodeDecodeError as problem:
            return _malformed(f"body: is not UTF-8: {problem.reason} at byte {problem.start}")
        return _malformed(f"body: is not JSON: {detail['ctx']['error']}")
    if not detail["loc"] and detail["type"] in NOT_AN_OBJECT:
        return PermanentError("body: must be a JSON object", reason="invalid")
    return PermanentError("; ".join(problems_of(error)), reason="invalid")


class _NoJsonNumberError(ValueError):
    """The document has NaN or Infinity where a value belongs."""


def _no_constant(name: str) -> Never:
    raise _NoJsonNumberError(f"{name} is not a JSON number")


def _malformed(message: str) -> PermanentError:
    return PermanentError(message, reason="malformed")
