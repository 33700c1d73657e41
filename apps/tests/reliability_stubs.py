"""Stand-ins for the database, the outbox and the publisher, in memory."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock
from typing import Any, cast

from skillupworks.errors import BrokerUnavailableError, StoreUnavailableError
from skillupworks.messaging.message import Outgoing
from skillupworks.messaging.publisher import Batch, PublishError
from skillupworks.reliability.outbox import Backlog, Waiting
from skillupworks.runtime.database import Cursor


class MemoryTransaction:
    """What is to happen when a transaction is committed, and when it ends in any way."""

    def __init__(self) -> None:
        self.at_commit: list[Callable[[], None]] = []
        self.at_end: list[Callable[[], None]] = []


class MemoryDatabase:
    """A Database without rows; `commit_error` is what a commit of something ends with."""

    def __init__(self) -> None:
        self.commits = 0
        self.rollbacks = 0
        self.problem: str | None = None
        self.commit_error: Exception | None = None

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        if self.problem:
            raise StoreUnavailableError(self.problem)
        transaction = MemoryTransaction()
        try:
            yield cast("Cursor", transaction)
            self._commit(transaction)
        except BaseException:
            self.rollbacks += 1
            raise
        finally:
            for action in transaction.at_end:
                action()

    def check(self) -> str | None:
        return self.problem

    def _commit(self, transaction: MemoryTransaction) -> None:
        if self.commit_error and transaction.at_commit:
            raise self.commit_error
        for action in transaction.at_commit:
            action()
        self.commits += 1


class MemoryOutbox:
    """An Outbox in memory; changes count when the transaction is committed."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._taken: set[int] = set()
        self.rows: dict[int, Waiting] = {}
        self.stuck: dict[int, Waiting] = {}
        self.due: set[int] = set()

    def put(self, *message_ids: str, headers: dict[str, object] | None = None) -> None:
        with self._lock:
            for message_id in message_ids:
                row = len(self.rows) + len(self.stuck) + 1
                self.rows[row] = Waiting(row, outgoing(message_id, headers))

    def take(
        self, cursor: Cursor, limit: int, *, after: int = 0, retries: bool = False
    ) -> list[Waiting]:
        with self._lock:
            due = [self.stuck[row] for row in sorted(self.due)] if retries else []
            new = [row for row in self.rows.values() if row.row > after]
            free = [row for row in (*due, *new) if row.row not in self._taken]
            rows = {waiting.row for waiting in free[:limit]}
            self._taken |= rows
            actions_of(cursor).at_end.append(lambda: self._taken.difference_update(rows))
            return free[:limit]

    def remove(self, cursor: Cursor, rows: Sequence[int]) -> None:
        def commit() -> None:
            with self._lock:
                for row in rows:
                    (self.stuck if row in self.stuck else self.rows).pop(row)
                self.due.difference_update(rows)

        actions_of(cursor).at_commit.append(commit)

    def postpone(self, cursor: Cursor, rows: Sequence[int], error: str) -> None:
        def commit() -> None:
            with self._lock:
                for row in rows:
                    waiting = self.rows.pop(row, None) or self.stuck[row]
                    attempts = waiting.attempts + 1
                    self.stuck[row] = Waiting(row, waiting.message, attempts, error)
                self.due.difference_update(rows)

        actions_of(cursor).at_commit.append(commit)

    def backlog(self, _cursor: Cursor) -> Backlog:
        return Backlog(len(self.rows) + len(self.stuck), len(self.stuck), 1.5)


def actions_of(cursor: Cursor) -> MemoryTransaction:
    return cast("MemoryTransaction", cursor)


class MemoryPublisher:
    """A publisher whose broker is a list; `outcomes` says what becomes of a message's id."""

    host = "broker-1"

    def __init__(self) -> None:
        self.published: list[str | None] = []
        self.batches: list[int] = []
        self.waited = 0
        self.most_under_way = 0
        self.outcomes: dict[str | None, PublishError] = {}
        self.problem: BrokerUnavailableError | None = None
        self.connected = True
        self.closed = False

    def connect(self) -> None:
        if self.problem:
            raise self.problem

    def serve(self) -> None:
        pass

    def send(self, messages: Sequence[Outgoing], /) -> Batch:
        self.batches.append(len(messages))
        self.most_under_way = max(self.most_under_way, len(self.batches) - self.waited)
        outcomes = [self.outcomes.get(message.message_id) for message in messages]
        for message, outcome in zip(messages, outcomes, strict=True):
            if outcome is None:
                self.published.append(message.message_id)
        return Batch(outcomes, outstanding=len(outcomes))

    def wait(self, batch: Batch, /) -> list[PublishError | None]:
        self.waited += 1
        batch.outstanding = 0
        return batch.outcomes

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
