"""Connections to MongoDB: a small pool per process, filled when it is first used.

No transaction and nothing that the server would have to compute: what is written is one document
at a time, under a condition, which every engine that speaks the protocol does as a whole.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import (
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

from skillupworks.errors import StoreNotReadyError, StoreUnavailableError
from skillupworks.runtime.settings import MongoSettings

__all__ = ["Document", "DuplicateKeyError", "MongoDatabase"]

Document = dict[str, Any]

# What says "the server is away, too busy or not sure that it is on the disk", and not "this
# command is wrong".
UNAVAILABLE = (ConnectionFailure, ExecutionTimeout, WriteConcernError)
# a wrong password or account; shutting down; interrupted by that; another write to the same
# document went first; the disk is full
UNAVAILABLE_CODES = {18, 91, 11600, 11602, 112, 14031}
# the account lacks a right
UNAUTHORIZED = 13

CONNECT_SECONDS = 2
# a document is read or written by its key: what takes longer hangs, or waits for a sick disk
REPLY_SECONDS = 5
# what is seen as an unfit server is asked again so soon
HEARTBEAT_SECONDS = 5


class MongoDatabase:
    """At most `size` connections, each used by one command at a time; thread-safe.

    Every wait is bounded. A write is acknowledged when it is in the journal of most servers. The
    driver repeats no write: on a server that is no member of a replica set it cannot, and whoever
    writes here does so under a condition, and may write again.
    """

    def __init__(self, settings: MongoSettings, *, size: int) -> None:
        # The driver's other mechanism needs MD5, which a host in FIPS mode does not have.
        how: Document = {"authMechanism": "SCRAM-SHA-256"} if settings.mongodb_user else {}
        self._client: MongoClient[Document] = MongoClient(
            settings.mongodb_host,
            settings.mongodb_port,
            username=settings.mongodb_user or None,
            password=settings.mongodb_pass.get_secret_value() or None,
            authSource=settings.mongodb_database,
            **how,
            appname="skillupworks",
            # this server, and not those that it knows
            directConnection=True,
            connect=False,
            maxPoolSize=size,
            waitQueueTimeoutMS=REPLY_SECONDS * 1000,
            connectTimeoutMS=CONNECT_SECONDS * 1000,
            serverSelectionTimeoutMS=CONNECT_SECONDS * 1000,
            socketTimeoutMS=REPLY_SECONDS * 1000,
            heartbeatFrequencyMS=HEARTBEAT_SECONDS * 1000,
            retryWrites=False,
            w="majority",
            journal=True,
            wTimeoutMS=REPLY_SECONDS * 1000,
        )
        self._database = self._client[settings.mongodb_database]

    @contextmanager
    def collection(self, name: str) -> Iterator[Collection[Document]]:
        """Work with a collection; StoreUnavailableError for what may pass.

        StoreNotReadyError, one of them, when the account lacks a right. A write that failed so has
        taken effect or not. A cursor must be read to its end within the block.
        """
        with _translated():
            yield self._database[name]

    def check(self) -> str | None:
        """Return None when the server answers and lets us in, otherwise what is wrong."""
        try:
            with _translated():
                self._database.command("ping")
        except StoreUnavailableError as error:
            return str(error)
        return None

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except UNAVAILABLE as error:
        raise StoreUnavailableError(f"MongoDB: {_describe(error)}") from error
    except OperationFailure as error:
        if error.code == UNAUTHORIZED:
            raise StoreNotReadyError(f"MongoDB: {_describe(error)}") from error
        if error.code in UNAVAILABLE_CODES:
            raise StoreUnavailableError(f"MongoDB: {_describe(error)}") from error
        raise


def _describe(error: PyMongoError) -> str:
    """Return one line for an error: the server's own words, or the driver's first ones.

    The driver adds all that it knows about its connections, and the command's whole reply.
    """
    details = error.details if isinstance(error, OperationFailure) else None
    words = details.get("errmsg") if isinstance(details, Mapping) else None
    text = str(words or error).partition(", Timeout: ")[0].partition(" (configured timeouts")[0]
    return " ".join(text.split()) or type(error).__name__
