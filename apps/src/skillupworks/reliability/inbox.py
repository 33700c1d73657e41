"""The inbox: the messages a consumer has processed, written in the transaction of their effect."""

from enum import Enum

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import IntegrityError

from skillupworks.runtime.database import is_duplicate_key

__all__ = ["Claim", "claim", "inbox_table"]


class Claim(Enum):
    """What the inbox knows about a message when a delivery of it claims it."""

    NEW = "nobody has claimed it"
    OURS = "this delivery has, in an earlier attempt whose commit was not answered"
    TAKEN = "another delivery has: this one is a duplicate"


def inbox_table(metadata: sa.MetaData) -> sa.Table:
    """Return the table's definition for queries; the migrations create it."""
    return sa.Table(
        "inbox",
        metadata,
        sa.Column("consumer", sa.String(64), primary_key=True),
        sa.Column("message_id", sa.String(255, collation="utf8mb4_bin"), primary_key=True),
        sa.Column("claimed_by", sa.CHAR(32), nullable=False),
        sa.Column("received_at", mysql.DATETIME(fsp=6), nullable=False),
    )


def claim(
    connection: sa.Connection, inbox: sa.Table, consumer: str, message_id: str, claimed_by: str
) -> Claim:
    """Claim a message for the delivery `claimed_by`; the claim counts when the caller commits.

    Waits when another transaction has claimed it and not yet ended, so that of two parallel
    deliveries of a message one is the duplicate.
    """
    row = sa.insert(inbox).values(
        consumer=consumer,
        message_id=message_id,
        claimed_by=claimed_by,
        received_at=sa.func.utc_timestamp(6),
    )
    try:
        connection.execute(row)
    except IntegrityError as error:
        if not is_duplicate_key(error):
            raise
    else:
        return Claim.NEW
    owner = connection.scalar(
        sa.select(inbox.c.claimed_by).where(
            inbox.c.consumer == consumer, inbox.c.message_id == message_id
        )
    )
    return Claim.OURS if owner == claimed_by else Claim.TAKEN
