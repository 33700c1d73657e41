"""Connections to MySQL and MariaDB: one engine per process, made at start, not at import."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from skillupworks.errors import StoreUnavailableError
from skillupworks.runtime.settings import DatabaseSettings

__all__ = ["create_engine", "describe", "is_duplicate_key", "transaction"]

# What says "the database is away, busy or not ready", and not "this data is wrong". A missing
# table or grant (ProgrammingError) is one of them: it is there once the deployment is complete.
UNAVAILABLE = (OperationalError, InterfaceError, ProgrammingError, PoolTimeoutError)

DUPLICATE_KEY = 1062

CONNECT_SECONDS = 5
# longer than InnoDB's wait for a row lock (set below), so that the server's error arrives first
REPLY_SECONDS = 30
LOCK_WAIT_SECONDS = 10


def create_engine(settings: DatabaseSettings, *, pool_size: int) -> sa.Engine:
    """Return an engine that makes its first connection when it is first used.

    READ COMMITTED takes no gap locks: an insert does not wait for a relay or a consumer that
    works on rows beside it. Sessions are in UTC, and every wait for the server is bounded.
    """
    url = sa.URL.create(
        "mysql+pymysql",
        username=settings.mysql_user,
        password=settings.mysql_pass.get_secret_value(),
        host=settings.mysql_host,
        port=settings.mysql_port,
        database=settings.mysql_database,
        query={"charset": "utf8mb4"},
    )
    return sa.create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_recycle=1800,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
        hide_parameters=True,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": REPLY_SECONDS,
            "write_timeout": REPLY_SECONDS,
            "init_command": (
                f"SET time_zone='+00:00', innodb_lock_wait_timeout={LOCK_WAIT_SECONDS},"
                f" lock_wait_timeout={LOCK_WAIT_SECONDS}"
            ),
        },
    )


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Commit at the end, roll back on an error; StoreUnavailableError for what a retry may cure.

    When the commit itself fails, it may have taken effect or not: only an idempotent transaction
    may be tried again.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except UNAVAILABLE as error:
        raise StoreUnavailableError(f"MySQL: {describe(error)}") from error


def is_duplicate_key(error: IntegrityError) -> bool:
    """Say whether a row with the same unique key was there already."""
    return bool(error.orig and error.orig.args and error.orig.args[0] == DUPLICATE_KEY)


def describe(error: BaseException) -> str:
    """Return one line for a database error: the server's or driver's own words, no SQL."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        words = error.orig.args[-1] if error.orig.args else error.orig
        return str(words).replace("\n", " ")
    return str(error).split("\n", 1)[0]
