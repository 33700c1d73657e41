"""The outbox: messages that are published because, and only if, their transaction was committed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from skillupworks.messaging.message import Outgoing
from skillupworks.runtime import trace
from skillupworks.runtime.database import Cursor
from skillupworks.runtime.statements import rows_by_key

__all__ = ["Backlog", "Outbox", "Waiting"]

ERROR_CHARACTERS = 500
# of a batch, so that many messages that cannot be published do not hold up the others
RETRY_SHARE = 0.2

# the driver spends its time per column: one with all small ones halves what a message costs
TAKE = (
    "SELECT body, JSON_ARRAY(id, message_id, exchange, routing_key, type,"
    " UNIX_TIMESTAMP(created_at), traceparent, attempts, error)"
    " FROM outbox FORCE INDEX (ix_outbox_retry_at) WHERE "
)
# The index has what is new and what is to be tried again apart, each in its order. By the primary
# key, all that could not be published would come first and be read each time. And all relays must
# come by the same index: one holds the other's entries there while it passes over its rows.
TAKE_NEW = TAKE + "retry_at IS NULL AND id > %s ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED"
TAKE_DUE = TAKE + "retry_at <= UTC_TIMESTAMP(6) ORDER BY retry_at LIMIT %s FOR UPDATE SKIP LOCKED"

ROWS = rows_by_key("outbox", "id", "BIGINT")
# Row by row: MariaDB locks one more behind a range, and that one is of the batch under way.
REMOVE = "DELETE outbox FROM " + ROWS
# tried again after a pause that doubles, from a second or two to ten minutes
POSTPONE = (
    "UPDATE " + ROWS + " SET"
    " outbox.retry_at = UTC_TIMESTAMP(6) + INTERVAL LEAST(600, 1 << LEAST(attempts, 20)) SECOND,"
    " outbox.attempts = outbox.attempts + 1, outbox.error = %s"
)

# counted in the smallest index; the oldest is the first of the primary key
MEASURE = (
    "SELECT COUNT(*), COUNT(retry_at), TIMESTAMPDIFF(MICROSECOND,"
    " (SELECT created_at FROM outbox ORDER BY id LIMIT 1), UTC_TIMESTAMP(6))"
    " FROM outbox FORCE INDEX (ix_outbox_retry_at)"
)


# not frozen: making it would take longer than reading it
@dataclass(slots=True)
class Waiting:
    """A message in the outbox; `attempts` failed before, the last one with `error`."""

    row: int
    message: Outgoing
    attempts: int = 0
    error: str | None = None


@dataclass(frozen=True)
class Backlog:
    """What waits in the outbox; `stuck` of it could not be published. The database's clock."""

    messages: int
    stuck: int
    oldest_seconds: float


class Outbox:
    """Rows of messages to publish; every method works in the caller's transaction."""

    def add(self, cursor: Cursor, message: Outgoing) -> None:
        """Leave a message to be published once the caller's transaction is committed.

        Of its headers the trace context is kept.
        """
        cursor.execute(
            "INSERT INTO outbox"
            " (message_id, exchange, routing_key, type, body, traceparent, created_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, UTC_TIMESTAMP(6))",
            (
                message.message_id,
                message.exchange,
                message.routing_key,
                message.type,
                message.body,
                message.headers.get(trace.HEADER),
            ),
        )

    def take(
        self, cursor: Cursor, limit: int, *, after: int = 0, retries: bool = False
    ) -> list[Waiting]:
        """Return and lock messages, the oldest first; those locked by another relay are left out.

        `after` is the row from which on to look. The database meets every row that was deleted a
        moment ago, and skips it, which costs more than reading those that are there: so who takes
        batch after batch says where the last one ended. A row can be committed behind that place,
        so he begins at 0 again from time to time.

        With `retries` also those whose turn has come again after they could not be published; to
        be asked for only when there are such, since it is one more round trip.
        """
        rows: list[tuple[bytes, str]] = []
        if retries:
            cursor.execute(TAKE_DUE, (int(limit * RETRY_SHARE),))
            rows += cursor.fetchall()
        cursor.execute(TAKE_NEW, (after, limit - len(rows)))
        rows += cursor.fetchall()
        return [_waiting(*row) for row in rows]

    def remove(self, cursor: Cursor, rows: Sequence[int]) -> None:
        """Forget messages that the broker has confirmed."""
        cursor.execute(REMOVE, (json.dumps(rows),))

    def postpone(self, cursor: Cursor, rows: Sequence[int], error: str) -> None:
        """Note why messages cannot be published; each failure doubles the time until the next."""
        cursor.execute(POSTPONE, (json.dumps(rows), error[:ERROR_CHARACTERS]))

    def backlog(self, cursor: Cursor) -> Backlog:
        """Return how many messages wait, and for how long the oldest has."""
        cursor.execute(MEASURE)
        ((messages, stuck, microseconds),) = cursor.fetchall()
        return Backlog(messages, stuck, max(0, microseconds or 0) / 1_000_000)


def _waiting(body: bytes, fields: str) -> Waiting:
    row, message_id, exchange, routing_key, kind, created_at, traceparent, attempts, error = (
        json.loads(fields)
    )
    headers = {trace.HEADER: traceparent} if traceparent else {}
    timestamp = datetime.fromtimestamp(created_at, UTC)
    message = Outgoing(
        exchange, routing_key, body, message_id, timestamp, type=kind, headers=headers
    )
    return Waiting(row, message, attempts, error)
