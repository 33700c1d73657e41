"""Any consumer's messages are read with the same checks, whatever kind of model describes them."""

from dataclasses import dataclass

import pytest
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from skillupworks.errors import PermanentError
from skillupworks.messaging.message import Delivery
from skillupworks.messaging.models import json_model


class Greeting(BaseModel):
    """A message as a pydantic model."""

    model_config = ConfigDict(strict=True)

    name: str
    times: int = 1


class GreetingDict(TypedDict):
    """The same as a typed dictionary."""

    name: str


@dataclass
class GreetingData:
    """The same as a dataclass."""

    name: str


def test_a_message_becomes_the_model() -> None:
    read = json_model(Greeting)

    assert read(Delivery(b'{"name": "Asha", "more": 1}')) == Greeting(name="Asha")


def test_all_wrong_fields_are_named() -> None:
    with pytest.raises(PermanentError) as caught:
        json_model(Greeting)(Delivery(b'{"times": "1"}'))

    assert str(caught.value) == "name: Field required; times: Input should be a valid integer"
    assert caught.value.reason == "invalid"


@pytest.mark.parametrize("model", [Greeting, GreetingDict, GreetingData])
def test_what_is_no_object_is_said_alike_for_every_kind_of_model(model: type) -> None:
    with pytest.raises(PermanentError, match=r"^body: must be a JSON object$"):
        json_model(model)(Delivery(b"[1]"))


def test_a_consumer_may_allow_larger_messages() -> None:
    body = b'{"name": "%s"}' % (b"a" * 300_000)

    assert json_model(Greeting, max_bytes=1_000_000)(Delivery(body)).times == 1
    with pytest.raises(
        PermanentError, match=r"^body: 300012 bytes are more than 262144$"
    ) as caught:
        json_model(Greeting)(Delivery(body))
    assert caught.value.reason == "malformed"
