"""Stand-ins for the database, the outbox and the publisher, in memory."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock
from typing import Any, cast

from skillupworks.errors import BrokerUnavailableError, StoreUnavailableError
from skillupworks.messaging.message import Outgoing
from skillupworks.messaging.publisher import PublishError
from skillupworks.reliability.outbox import Backlog, Waiting
from skillupworks.runtime.database import Cursor


class MemoryDatabase:
    """A Database without rows: what is to happen at a commit is appended to `at_commit`.

    `commit_error` is what a commit of something ends with.
    """

    def __init__(self) -> None:
        self.commits = 0
        self.rollbacks = 0
        self.problem: str | None = None
        self.commit_error: Exception | None = None
        self.at_commit: list[Callable[[], None]] = []

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        if self.problem:
            raise StoreUnavailableError(self.problem)
        try:
            yield cast("Cursor", self)
        except BaseException:
            self._roll_back()
            raise
        if self.commit_error and self.at_commit:
            self._roll_back()
            raise self.commit_error
        self.commits += 1
        while self.at_commit:
            self.at_commit.pop(0)()

    def check(self) -> str | None:
        return self.problem

    def _roll_back(self) -> None:
        self.rollbacks += 1
        self.at_commit.clear()


class MemoryOutbox:
    """An Outbox in memory; changes count when the transaction is committed."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self._lock = Lock()
        self.rows: dict[int, Waiting] = {}
        self.stuck: dict[int, Waiting] = {}
        self.due: list[int] = []

    def put(self, *message_ids: str, headers: dict[str, object] | None = None) -> None:
        with self._lock:
            for message_id in message_ids:
                row = len(self.rows) + len(self.stuck) + 1
                self.rows[row] = Waiting(row, outgoing(message_id, headers))

    def take(self, _cursor: Cursor, limit: int, *, retries: bool) -> list[Waiting]:
        with self._lock:
            due = [self.stuck[row] for row in self.due] if retries else []
            return (due + list(self.rows.values()))[:limit]

    def remove(self, _cursor: Cursor, rows: Sequence[int]) -> None:
        def commit() -> None:
            for row in rows:
                (self.stuck if row in self.stuck else self.rows).pop(row)
            self.due = [row for row in self.due if row not in rows]

        self._database.at_commit.append(commit)

    def postpone(self, _cursor: Cursor, rows: Sequence[int], error: str) -> None:
        def commit() -> None:
            for row in rows:
                waiting = self.rows.pop(row, None) or self.stuck[row]
                attempts = waiting.attempts + 1
                self.stuck[row] = Waiting(row, waiting.message, attempts, error)
            self.due = [row for row in self.due if row not in rows]

        self._database.at_commit.append(commit)

    def backlog(self, _cursor: Cursor) -> Backlog:
        return Backlog(len(self.rows) + len(self.stuck), len(self.stuck), 1.5)


class MemoryPublisher:
    """A publisher whose broker is a list; `outcomes` says what becomes of a message's id."""

    host = "broker-1"

    def __init__(self) -> None:
        self.published: list[str | None] = []
        self.batches: list[int] = []
        self.outcomes: dict[str | None, PublishError] = {}
        self.problem: BrokerUnavailableError | None = None
        self.connected = True
        self.closed = False

    def connect(self) -> None:
        if self.problem:
            raise self.problem

    def serve(self) -> None:
        pass

    def publish_many(self, messages: Sequence[Outgoing], /) -> list[PublishError | None]:
        self.batches.append(len(messages))
        outcomes = [self.outcomes.get(message.message_id) for message in messages]
        for message, outcome in zip(messages, outcomes, strict=True):
            if outcome is None:
                self.published.append(message.message_id)
        return outcomes

    def close(self) -> None:
        self.closed = True


def outgoing(message_id: str, headers: dict[str, object] | None = None, **changes: Any) -> Outgoing:
    fields = {"exchange": "shop", "routing_key": "order.created", "type": "order.created"}
    return Outgoing(
        body=b"{}",
        message_id=message_id,
        timestamp=datetime.now(UTC),
        headers=headers or {},
        **fields | changes,
    )
