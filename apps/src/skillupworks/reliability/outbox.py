"""The outbox: messages that are published because, and only if, their transaction was committed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from skillupworks.messaging.message import Outgoing

__all__ = ["Backlog", "Outbox", "outbox_table"]


def outbox_table(metadata: sa.MetaData) -> sa.Table:
    """Return the table's definition for queries; the migrations create it."""
    return sa.Table(
        "outbox",
        metadata,
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=True),
        sa.Column("message_id", sa.String(255, collation="utf8mb4_bin"), nullable=False),
        sa.Column("exchange", sa.String(255), nullable=False),
        sa.Column("routing_key", sa.String(255), nullable=False),
        sa.Column("type", sa.String(255), nullable=False),
        sa.Column("body", mysql.MEDIUMBLOB, nullable=False),
        sa.Column("created_at", mysql.DATETIME(fsp=6), nullable=False),
    )


@dataclass(frozen=True)
class Backlog:
    """What waits in the outbox; the age is by the database's clock."""

    messages: int
    oldest_seconds: float


class Outbox:
    """Rows of messages to publish; every method works in the caller's transaction."""

    def __init__(self, table: sa.Table) -> None:
        self._table = table
        # Without the hint the optimizer scans a small table instead of looking rows up, meets
        # those that another relay has locked, and both relays wait for each other: a deadlock,
        # whose loser publishes its whole batch again.
        self._removal = sa.text(
            f"DELETE {table.name} FROM {table.name} FORCE INDEX (PRIMARY)"
            f" WHERE {table.name}.id IN :ids"
        ).bindparams(sa.bindparam("ids", expanding=True))

    def add(self, connection: sa.Connection, message: Outgoing) -> None:
        """Leave a message to be published once the caller's transaction is committed."""
        connection.execute(
            sa.insert(self._table).values(
                message_id=message.message_id,
                exchange=message.exchange,
                routing_key=message.routing_key,
                type=message.type,
                body=message.body,
                created_at=sa.func.utc_timestamp(6),
            )
        )

    def take(self, connection: sa.Connection, limit: int) -> Sequence[tuple[int, Outgoing]]:
        """Return and lock the oldest messages; those locked by another relay are passed over."""
        table = self._table.c
        rows = connection.execute(
            sa.select(self._table).order_by(table.id).limit(limit).with_for_update(skip_locked=True)
        )
        return [
            (
                row.id,
                Outgoing(
                    exchange=row.exchange,
                    routing_key=row.routing_key,
                    body=row.body,
                    message_id=row.message_id,
                    timestamp=row.created_at.replace(tzinfo=UTC),
                    type=row.type,
                ),
            )
            for row in rows
        ]

    def remove(self, connection: sa.Connection, ids: Sequence[int]) -> None:
        """Forget messages that the broker has confirmed."""
        connection.execute(self._removal, {"ids": list(ids)})

    def backlog(self, connection: sa.Connection) -> Backlog:
        """Return how many messages wait, and for how long the oldest has."""
        microseconds = sa.func.timestampdiff(
            sa.text("MICROSECOND"), sa.func.min(self._table.c.created_at), sa.func.utc_timestamp(6)
        )
        row = connection.execute(sa.select(sa.func.count(self._table.c.id), microseconds)).one()
        return Backlog(messages=row[0], oldest_seconds=max(0, row[1] or 0) / 1_000_000)
