"""Connections to Redis and Valkey: a small pool per process, filled when it is first used."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import (
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from skillupworks.errors import StoreNotReadyError, StoreUnavailableError
from skillupworks.runtime.settings import RedisSettings

__all__ = ["RedisPool", "Script"]

# What says "the server is away, loading or full", and not "this command is wrong". A wrong password
# is a connection error.
UNAVAILABLE = (RedisConnectionError, RedisTimeoutError, OutOfMemoryError, ReadOnlyError)
# the disk is full or broken, so that nothing is taken: the driver has no class for it
UNWRITTEN = "MISCONF"

CONNECT_SECONDS = 2
# it works in memory: what takes longer hangs, or waits for a disk that is not well
REPLY_SECONDS = 3

# takes keys and arguments
Script = Callable[[Sequence[str], Sequence[str | int]], Any]


class RedisPool:
    """At most `size` connections, each used by one command at a time; thread-safe.

    Every method raises StoreUnavailableError for what may pass; StoreNotReadyError, one of them,
    when the account lacks a right. A command that failed so has taken effect or not. A connection
    that the server has closed, as it does when it restarts, is noticed before it is used.
    """

    def __init__(self, settings: RedisSettings, *, size: int) -> None:
        pool = BlockingConnectionPool(  # type: ignore[no-untyped-call]
            max_connections=size,
            timeout=CONNECT_SECONDS,
            host=settings.redis_host,
            port=settings.redis_port,
            username=settings.redis_user,
            password=settings.redis_pass.get_secret_value(),
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=REPLY_SECONDS,
            socket_keepalive=True,
            # by itself the driver repeats a command whose answer was lost, and which the server may
            # have done: to add to a cart is not idempotent
            retry=Retry(NoBackoff(), 0),
            # version 3 brings messages that nobody asked for, and nothing that is needed
            protocol=2,
            decode_responses=True,
        )
        self._redis = Redis(connection_pool=pool)

    def hash(self, key: str) -> dict[str, str]:
        """Return the fields of a hash; none when there is no such key."""
        with _translated():
            return cast("dict[str, str]", self._redis.hgetall(key))

    def delete(self, key: str) -> None:
        """Delete a key if it is there."""
        with _translated():
            self._redis.delete(key)

    def script(self, source: str) -> Script:
        """Return a script to be called; the server is sent its source when it has lost it."""
        script = self._redis.register_script(source)

        def call(keys: Sequence[str], arguments: Sequence[str | int]) -> Any:  # noqa: ANN401 - Lua's
            with _translated():
                return script(list(keys), list(arguments))

        return call

    def check(self) -> str | None:
        """Return None when the server answers, otherwise what is wrong (a readiness check)."""
        try:
            with _translated():
                self._redis.ping()
        except StoreUnavailableError as error:
            return str(error)
        return None

    def close(self) -> None:
        """Close all connections."""
        self._redis.connection_pool.disconnect()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except UNAVAILABLE as error:
        raise StoreUnavailableError(f"Redis: {_describe(error)}") from error
    except NoPermissionError as error:
        raise StoreNotReadyError(f"Redis: {_describe(error)}") from error
    except ResponseError as error:
        if str(error).startswith(UNWRITTEN):
            raise StoreUnavailableError(f"Redis: {_describe(error)}") from error
        raise


def _describe(error: RedisError) -> str:
    """Return one line for an error: the server's or the driver's own words."""
    return " ".join(str(error).split()) or type(error).__name__
