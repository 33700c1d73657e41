"""Connections to MySQL and MariaDB: a small pool per process, filled when it is first used.

On the driver itself: a mapper above it would cost an order processor a third of its memory and a
large part of its rate. SQLAlchemy belongs to the migrations alone.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from queue import Empty, LifoQueue
from select import POLLIN, poll
from time import monotonic

from pymysql.connections import Connection
from pymysql.cursors import Cursor
from pymysql.err import (
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
)

from skillupworks.errors import StoreNotReadyError, StoreUnavailableError
from skillupworks.runtime.settings import DatabaseSettings

__all__ = [
    "Cursor",
    "DataError",
    "Database",
    "IntegrityError",
    "describe",
    "is_duplicate_key",
]

# What says "the database is away, busy or not ready", and not "this data is wrong". So are
# deadlocks and waits for a lock that took too long (OperationalError).
UNAVAILABLE = (OperationalError, InterfaceError, InternalError, ProgrammingError)
# No such database, column, table; no grant for the database, table, column; a column that this
# release does not know wants a value. All are in order once the deployment is complete.
NOT_READY = {1049, 1054, 1146, 1044, 1142, 1143, 1364}

DUPLICATE_KEY = 1062

CONNECT_SECONDS = 5
# longer than InnoDB's wait for a row lock (set below), so that the server's error arrives first
REPLY_SECONDS = 30
LOCK_WAIT_SECONDS = 10
# a connection that was not used for so long may have been dropped by something on the way
PING_AFTER_SECONDS = 30.0


class Database:
    """At most `size` connections, each used by one transaction at a time; thread-safe.

    READ COMMITTED takes no gap locks: an insert does not wait for a relay or a consumer that
    works on rows beside it. Sessions are in UTC, and every wait for the server is bounded. They
    are encrypted when the server offers it, as both do by default; its certificate is one that it
    made itself, and is not checked.
    """

    def __init__(self, settings: DatabaseSettings, *, size: int) -> None:
        self._settings = settings
        self._closed = False
        # what is taken out first was used last; None stands for a connection not made yet
        self._idle: LifoQueue[tuple[Connection, float] | None] = LifoQueue()
        for _ in range(size):
            self._idle.put(None)

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """Commit at the end, roll back on an error; StoreUnavailableError for what may pass.

        StoreNotReadyError, one of them, when the schema is not what the statement needs.

        Rows are tuples. When the commit itself fails, it may have taken effect or not: only an
        idempotent transaction may be tried again.
        """
        connection = self._take()
        healthy = False
        try:
            yield connection.cursor()
            connection.commit()
            healthy = True
        except UNAVAILABLE as error:
            not_ready = bool(error.args) and error.args[0] in NOT_READY
            kind = StoreNotReadyError if not_ready else StoreUnavailableError
            raise kind(f"MySQL: {describe(error)}") from error
        except Exception:
            healthy = _is_rolled_back(connection)
            raise
        finally:
            self._give_back(connection, healthy=healthy)

    def check(self) -> str | None:
        """Return None when the database answers, otherwise what is wrong (a readiness check)."""
        try:
            with self.transaction() as cursor:
                cursor.execute("SELECT 1")
        except StoreUnavailableError as error:
            return str(error)
        return None

    def close(self) -> None:
        """Close what is idle now, and what is in use when it is given back."""
        self._closed = True
        with suppress(Empty):
            while True:
                if idle := self._idle.get_nowait():
                    _discard(idle[0])

    def _take(self) -> Connection:
        try:
            idle = self._idle.get(timeout=CONNECT_SECONDS)
        except Empty:
            raise StoreUnavailableError("MySQL: all connections are in use") from None
        try:
            if idle is not None:
                if _is_usable(*idle):
                    return idle[0]
                _discard(idle[0])
            return self._connect()
        except UNAVAILABLE as error:
            self._idle.put(None)
            raise StoreUnavailableError(f"MySQL: {describe(error)}") from error
        except BaseException:
            self._idle.put(None)
            raise

    def _give_back(self, connection: Connection, *, healthy: bool) -> None:
        if healthy and not self._closed:
            self._idle.put((connection, monotonic()))
            return
        _discard(connection)
        self._idle.put(None)

    def _connect(self) -> Connection:
        # The driver uses TLS when the server offers it, as MySQL 8.4 and MariaDB 11.4 and later do
        # by themselves. caching_sha2_password then needs no RSA, for which the driver would load
        # the library cryptography: 10 MB in each process.
        settings = self._settings
        connection = _Connection(
            user=settings.mysql_user,
            password=settings.mysql_pass.get_secret_value(),
            host=settings.mysql_host,
            port=settings.mysql_port,
            database=settings.mysql_database,
            charset="utf8mb4",
            connect_timeout=CONNECT_SECONDS,
            read_timeout=REPLY_SECONDS,
            write_timeout=REPLY_SECONDS,
            init_command=(
                f"SET time_zone='+00:00', innodb_lock_wait_timeout={LOCK_WAIT_SECONDS},"
                f" lock_wait_timeout={LOCK_WAIT_SECONDS}"
            ),
        )
        # a statement of its own: the variable has another name in older versions of MariaDB
        connection.cursor().execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        return connection


class _Connection(Connection):
    """The driver's connection, whose TLS does without the certificates of all the world.

    The server's is not verified, so they are of no use; and the driver would read them again for
    each connection, which takes 90 ms and, in all, a tenth of an order processor's memory.
    """

    def _create_ssl_ctx(self, _options: object) -> ssl.SSLContext:
        return _tls()


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def is_duplicate_key(error: IntegrityError) -> bool:
    """Say whether a row with the same unique key was there already."""
    return bool(error.args and error.args[0] == DUPLICATE_KEY)


def describe(error: BaseException) -> str:
    """Return one line for a database error: the server's or driver's own words, no SQL."""
    # SQLAlchemy, which runs the migrations, wraps the driver's error and adds the statement
    cause = getattr(error, "orig", None) or error
    words = str(cause.args[-1]) if isinstance(cause, Error) and cause.args else str(cause)
    return words.replace("\n", " ") or type(cause).__name__


def _is_usable(connection: Connection, used_at: float) -> bool:
    """Say whether an idle connection still works, without a round trip if it was just used."""
    # The server says nothing unasked: bytes or an end of file on the socket mean that it has
    # closed the connection, as it does when it restarts. The driver offers no way to ask.
    watch = poll()
    watch.register(connection._sock, POLLIN)  # type: ignore[attr-defined]  # noqa: SLF001
    if watch.poll(0):
        return False
    if monotonic() - used_at > PING_AFTER_SECONDS:
        try:
            connection.ping(reconnect=False)
        except Error:
            return False
    return True


def _is_rolled_back(connection: Connection) -> bool:
    try:
        connection.rollback()
    except Error:
        return False
    return True


def _discard(connection: Connection) -> None:
    with suppress(Error, OSError):  # it may be broken, or closed already
        connection.close()
    _forget_tls_errors()


def _forget_tls_errors() -> None:
    """Empty this thread's queue of OpenSSL errors.

    Python leaves the error of a broken connection there, and takes it for one of whatever the
    thread reads next and has to wait for, on any connection (python/cpython#148594). Only a
    handshake would end that, and a thread that is handed connections makes none. Nothing of ours
    empties the queue but a list of ciphers that does not exist.
    """
    with suppress(ssl.SSLError):
        _spare_tls().set_ciphers("none")


@cache
def _spare_tls() -> ssl.SSLContext:
    # not the one in use, whose list of ciphers may be gone afterwards
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
