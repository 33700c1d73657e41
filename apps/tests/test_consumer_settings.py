"""The settings that every consuming service has, and what is said about wrong ones."""

import pytest

from skillupworks.consumer_service import ConsumerSettings
from skillupworks.errors import ConfigurationError
from skillupworks.runtime.settings import load

VALID = {
    "RABBITMQ_HOST": "10.0.0.2",
    "RABBITMQ_USER": "skillupworks",
    "RABBITMQ_PASS": "s3cret",
    "MYSQL_HOST": "10.0.0.3",
    "MYSQL_USER": "greeter",
    "MYSQL_PASS": "s3cret",
    "MYSQL_DATABASE": "greetings",
}
CHANGEABLE = ("RABBITMQ_PREFETCH", "BATCH_SIZE", "CONCURRENCY", "RETRY_DELAYS", "OPS_PORT")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set a valid environment to be changed."""
    for name in CHANGEABLE:
        monkeypatch.delenv(name, raising=False)
    for name, value in VALID.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def problems() -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load(ConsumerSettings)
    return caught.value.problems


@pytest.mark.usefixtures("environment")
def test_what_is_not_set_has_its_documented_default() -> None:
    settings = load(ConsumerSettings)

    assert settings.rabbitmq_prefetch == 200
    assert settings.batch_size == 100
    assert settings.concurrency == 1
    assert settings.delays == (5, 30, 120, 600)
    assert (settings.ops_listen, settings.ops_port) == ("127.0.0.1", 9101)


@pytest.mark.parametrize(
    ("written", "delays"),
    [("5", (5,)), ("1,2,3", (1, 2, 3)), (" 5, 30 ", (5, 30)), ("86400", (86400,))],
)
def test_retry_delays_are_seconds_separated_by_commas(
    environment: pytest.MonkeyPatch, written: str, delays: tuple[int, ...]
) -> None:
    environment.setenv("RETRY_DELAYS", written)

    assert load(ConsumerSettings).delays == delays


@pytest.mark.parametrize("written", ["0", "5,", ",", "5;30", "1.5", "-5", "5 s", "86401", "many"])
def test_retry_delays_that_are_none_are_named(
    environment: pytest.MonkeyPatch, written: str
) -> None:
    environment.setenv("RETRY_DELAYS", written)

    (problem,) = problems()
    assert problem.startswith(
        "RETRY_DELAYS: must be seconds between 1 and 86400, separated by commas"
    )


@pytest.mark.parametrize(
    ("name", "value", "bounds"),
    [
        ("RABBITMQ_PREFETCH", "0", "must be between 1 and 2000, got '0'"),
        ("BATCH_SIZE", "1001", "must be between 1 and 1000, got '1001'"),
        ("CONCURRENCY", "33", "must be between 1 and 32, got '33'"),
        ("OPS_PORT", "http", "must be between 1 and 65535, got 'http'"),
    ],
)
def test_a_number_out_of_bounds_is_named_with_them(
    environment: pytest.MonkeyPatch, name: str, value: str, bounds: str
) -> None:
    environment.setenv(name, value)

    assert problems() == (f"{name}: {bounds}",)


def test_both_the_broker_and_the_database_are_required(environment: pytest.MonkeyPatch) -> None:
    for name in VALID:
        environment.delenv(name)

    required = {problem.partition(":")[0] for problem in problems()}
    assert required == {*VALID}
