"""Settings are read at once, and everything wrong is said at once, by the variable's name."""

from pathlib import Path
from typing import Literal, Self

import pytest
from pydantic import ValidationError, model_validator

from skillupworks.errors import ConfigurationError
from skillupworks.runtime.settings import Settings, load
from skillupworks.shop.order_processor import OrderProcessorSettings

VALID = {
    "RABBITMQ_HOST": "10.0.0.2",
    "RABBITMQ_USER": "skillupworks",
    "RABBITMQ_PASS": "s3cret",
    "MYSQL_HOST": "10.0.0.3",
    "MYSQL_USER": "orders",
    "MYSQL_PASS": "s3cret",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set a valid environment to be changed."""
    for name, value in VALID.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def problems() -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load(OrderProcessorSettings)
    return caught.value.problems


def test_what_is_not_set_has_its_documented_default(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("OPS_PORT", raising=False)

    settings = load(OrderProcessorSettings)

    assert settings.rabbitmq_port == 5672
    assert settings.rabbitmq_prefetch == 200
    assert settings.mysql_database == "orders"
    assert settings.ops_port == 9101


def test_a_number_that_is_none_is_named_with_its_bounds(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("RABBITMQ_PREFETCH", "many")

    assert problems() == ("RABBITMQ_PREFETCH: must be between 1 and 2000, got 'many'",)


def test_a_number_out_of_bounds_is_named_with_them(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("OPS_PORT", "70000")

    assert problems() == ("OPS_PORT: must be between 1 and 65535, got '70000'",)


def test_all_errors_are_reported_together(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("RABBITMQ_HOST")
    environment.setenv("MYSQL_USER", "")
    environment.setenv("MYSQL_PORT", "0")

    assert sorted(problems()) == [
        "MYSQL_PORT: must be between 1 and 65535, got '0'",
        "MYSQL_USER: is required",
        "RABBITMQ_HOST: is required",
    ]


def test_several_broker_hosts_are_separated_by_commas(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("RABBITMQ_HOST", "10.0.0.2, 10.0.0.3")

    assert load(OrderProcessorSettings).rabbitmq_hosts == ("10.0.0.2", "10.0.0.3")


def test_an_empty_host_among_several_is_an_error(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("RABBITMQ_HOST", "10.0.0.2,")

    assert problems()[0].startswith("RABBITMQ_HOST: ")


def test_secrets_are_not_shown(environment: pytest.MonkeyPatch) -> None:
    assert "s3cret" not in repr(load(OrderProcessorSettings))
    environment.setenv("MYSQL_PORT", "x")
    assert "s3cret" not in " ".join(problems())


class _Flags(Settings):
    flag: bool = False
    folder: Path = Path("/tmp")  # noqa: S108
    choice: Literal["log", "smtp"] = "log"

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.flag and self.choice == "log":
            raise ConfigurationError("FLAG: needs CHOICE=smtp", "CHOICE: is log")
        return self


def test_values_become_what_their_fields_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAG", "yes")
    monkeypatch.setenv("FOLDER", "/srv")
    monkeypatch.setenv("CHOICE", "smtp")

    assert load(_Flags) == _Flags(flag=True, folder=Path("/srv"), choice="smtp")


def test_a_value_that_is_no_choice_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHOICE", "pigeon")

    with pytest.raises(ConfigurationError, match=r"^CHOICE: Input should be 'log' or 'smtp', got"):
        load(_Flags)


def test_settings_that_do_not_fit_together_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAG", "1")

    with pytest.raises(ConfigurationError) as caught:
        load(_Flags)

    assert caught.value.problems == ("FLAG: needs CHOICE=smtp", "CHOICE: is log")


def test_settings_cannot_be_changed(environment: pytest.MonkeyPatch) -> None:
    del environment

    with pytest.raises(ValidationError):
        load(OrderProcessorSettings).mysql_port = 1  # type: ignore[misc]
