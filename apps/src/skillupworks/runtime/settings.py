"""Settings from the environment, read once, with every error reported by its variable's name."""

import os
from typing import Any, Self, TypeVar

from annotated_types import Ge, Le
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from skillupworks.errors import ConfigurationError
from skillupworks.runtime.validation import words_of

__all__ = [
    "BrokerSettings",
    "DatabaseSettings",
    "MongoSettings",
    "RedisSettings",
    "Settings",
    "load",
]

MAX_PORT = 65535


# pydantic-settings would do, and takes 7 MB in each process for sources that nobody uses
class Settings(BaseModel):
    """Base of all settings: a field `some_port` is the variable SOME_PORT; empty means not set.

    What concerns several fields is checked in a model validator that raises ConfigurationError.
    """

    # Of all these classes a service makes one: the others' validators would take half a megabyte.
    model_config = ConfigDict(frozen=True, validate_default=True, defer_build=True)


class BrokerSettings(Settings):
    """How to reach RabbitMQ."""

    rabbitmq_host: str
    rabbitmq_port: int = Field(default=5672, ge=1, le=MAX_PORT)
    rabbitmq_user: str
    rabbitmq_pass: SecretStr
    rabbitmq_vhost: str = "/"

    @field_validator("rabbitmq_host")
    @classmethod
    def _has_hosts(cls, value: str) -> str:
        if not all(host.strip() for host in value.split(",")):
            raise ValueError("must be a host name or several separated by commas")
        return value

    @property
    def rabbitmq_hosts(self) -> tuple[str, ...]:
        """The broker's hosts in the order in which they are tried."""
        return tuple(host.strip() for host in self.rabbitmq_host.split(","))


class DatabaseSettings(Settings):
    """How to reach MySQL or MariaDB; a service gives its own default for the database's name."""

    mysql_host: str
    mysql_port: int = Field(default=3306, ge=1, le=MAX_PORT)
    mysql_user: str
    mysql_pass: SecretStr
    mysql_database: str


class RedisSettings(Settings):
    """How to reach Redis or Valkey."""

    redis_host: str
    redis_port: int = Field(default=6379, ge=1, le=MAX_PORT)
    redis_user: str
    redis_pass: SecretStr


class MongoSettings(Settings):
    """How to reach MongoDB; without a user nobody logs in, for an engine that has no accounts."""

    mongodb_host: str
    mongodb_port: int = Field(default=27017, ge=1, le=MAX_PORT)
    mongodb_user: str = ""
    mongodb_pass: SecretStr = SecretStr("")
    mongodb_database: str

    @model_validator(mode="after")
    def _has_both_or_neither(self) -> Self:
        if self.mongodb_user and not self.mongodb_pass.get_secret_value():
            raise ConfigurationError("MONGODB_PASS: is required with MONGODB_USER")
        if self.mongodb_pass.get_secret_value() and not self.mongodb_user:
            raise ConfigurationError("MONGODB_USER: is required with MONGODB_PASS")
        return self


LoadedSettings = TypeVar("LoadedSettings", bound=Settings)


def load(settings: type[LoadedSettings]) -> LoadedSettings:
    """Read the environment; raise ConfigurationError with one line for each wrong variable."""
    names = settings.model_fields
    values = {name: value for name in names if (value := os.environ.get(name.upper()))}
    try:
        return settings.model_validate(values)
    except ValidationError as error:
        lines = [_line(settings, detail) for detail in error.errors(include_url=False)]
        raise ConfigurationError(*lines) from None


def _line(settings: type[Settings], detail: ErrorDetails) -> str:
    name = str(detail["loc"][0])
    field = settings.model_fields[name]
    variable = name.upper()
    if detail["type"] == "missing":
        return f"{variable}: is required"
    line = f"{variable}: {_expectation(field, detail)}"
    # a secret's wrong value may be one slip away from the right one
    return line if field.annotation is SecretStr else f"{line}, got {_shown(detail['input'])}"


def _expectation(field: FieldInfo, detail: ErrorDetails) -> str:
    low = next((item.ge for item in field.metadata if isinstance(item, Ge)), None)
    high = next((item.le for item in field.metadata if isinstance(item, Le)), None)
    if low is not None and high is not None:
        return f"must be between {low} and {high}"
    return words_of(detail)


def _shown(value: Any) -> str:  # noqa: ANN401 - whatever was in the environment
    text = repr(value)
    limit = 80
    return text if len(text) <= limit else f"{text[:limit]}…"
