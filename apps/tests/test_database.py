"""The pool says what is wrong in one line, and that trying again may help."""

import socket
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from skillupworks.errors import StoreUnavailableError
from skillupworks.runtime import database as database_module
from skillupworks.runtime.database import (
    Database,
    DataError,
    IntegrityError,
    describe,
    is_duplicate_key,
)
from skillupworks.runtime.settings import DatabaseSettings


@pytest.fixture
def settings() -> Iterator[DatabaseSettings]:
    """Return settings of a server that is not there: nobody listens on the port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield DatabaseSettings(
            mysql_host="127.0.0.1",
            mysql_port=taken.getsockname()[1],
            mysql_user="user",
            mysql_pass=SecretStr("password"),
            mysql_database="shop",
        )


def test_a_server_that_is_away_may_come_back(settings: DatabaseSettings) -> None:
    database = Database(settings, size=1)

    for _ in range(2):  # the place in the pool is free again after a failure
        with (
            pytest.raises(StoreUnavailableError, match=r"^MySQL: .*Connection refused"),
            database.transaction(),
        ):
            pytest.fail("there is no connection")


def test_the_check_says_so_without_an_error(settings: DatabaseSettings) -> None:
    problem = Database(settings, size=1).check()

    assert problem is not None
    assert problem.startswith("MySQL: ")
    assert "password" not in problem


def test_waiting_for_a_free_connection_ends(
    settings: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "CONNECT_SECONDS", 0.01)

    assert Database(settings, size=0).check() == "MySQL: all connections are in use"


def test_a_closed_pool_needs_no_server(settings: DatabaseSettings) -> None:
    Database(settings, size=2).close()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DataError(1406, "Data too long\nfor column 'name'"), "Data too long for column 'name'"),
        (ValueError("first\nsecond"), "first second"),
        (KeyError(), "KeyError"),
    ],
)
def test_an_error_is_described_in_one_line(error: Exception, words: str) -> None:
    assert describe(error) == words


def test_a_wrapped_error_is_described_in_the_drivers_words() -> None:
    wrapper = RuntimeError("(pymysql.err.DataError) …\n[SQL: INSERT …]")
    wrapper.orig = DataError(1406, "Data too long")  # type: ignore[attr-defined]

    assert describe(wrapper) == "Data too long"


@pytest.mark.parametrize(("number", "duplicate"), [(1062, True), (1452, False)])
def test_a_duplicate_key_is_told_from_other_broken_constraints(
    number: int,
    duplicate: bool,  # noqa: FBT001
) -> None:
    assert is_duplicate_key(IntegrityError(number, "…")) is duplicate
