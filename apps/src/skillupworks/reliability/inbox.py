"""The inbox: the messages a consumer has processed, written in the transaction of their effect."""

import json
from collections.abc import Mapping
from enum import Enum

from skillupworks.errors import TransientError
from skillupworks.runtime.database import Cursor
from skillupworks.runtime.statements import insert_rows, rows_by_key

__all__ = ["Claim", "claim", "prune"]

INSERT = (
    "INSERT INTO inbox (consumer, message_id, claimed_by, received_at)"
    " VALUES (%s, %s, %s, UTC_TIMESTAMP(6)) ON DUPLICATE KEY UPDATE consumer = consumer"
)
REMOVE = (
    "DELETE inbox FROM "
    + rows_by_key("inbox", "message_id", "VARCHAR(255) COLLATE utf8mb4_bin")
    + " AND inbox.consumer = %s"
)


class Claim(Enum):
    """What the inbox knows about a message when a delivery of it claims it."""

    NEW = "nobody has claimed it"
    OURS = "this delivery has, in an earlier attempt whose commit was not answered"
    TAKEN = "another delivery has: this one is a duplicate"


def claim(cursor: Cursor, consumer: str, tokens: Mapping[str, str]) -> dict[str, Claim]:
    """Claim messages, each for the delivery whose token is given; counts when the caller commits.

    Waits when another transaction has claimed one of them and not yet ended, so that of two
    parallel deliveries of a message one is the duplicate. Raises TransientError for messages that
    must be claimed one by one.
    """
    # in the same order everywhere, so that two consumers never wait for each other
    ids = sorted(tokens)
    rows = [(consumer, message_id, tokens[message_id]) for message_id in ids]
    inserted = insert_rows(cursor, INSERT, rows)
    if inserted == len(ids):
        return dict.fromkeys(ids, Claim.NEW)
    cursor.execute(
        "SELECT message_id, claimed_by FROM inbox WHERE consumer = %s AND message_id IN %s",
        (consumer, ids),
    )
    owners = dict(cursor.fetchall())
    mine = {message_id for message_id in ids if owners.get(message_id) == tokens[message_id]}
    if inserted not in (0, len(mine)):
        # some rows were there and some are new, and nothing tells which are which
        raise TransientError("messages of attempts that may be committed are mixed with new ones")
    kind = Claim.NEW if inserted else Claim.OURS
    return {message_id: kind if message_id in mine else Claim.TAKEN for message_id in ids}


def prune(cursor: Cursor, consumer: str, older_than_days: int, limit: int) -> int:
    """Forget up to `limit` messages of long ago; return how many there were.

    A delivery of a message that is forgotten would be processed again: keep them for longer than
    any message can wait in a queue. Commit after each call, so that no transaction is long.
    """
    # rows that another one prunes are passed over
    cursor.execute(
        "SELECT message_id FROM inbox FORCE INDEX (ix_inbox_received_at)"
        " WHERE received_at < UTC_TIMESTAMP(6) - INTERVAL %s DAY AND consumer = %s"
        " ORDER BY received_at LIMIT %s FOR UPDATE SKIP LOCKED",
        (older_than_days, consumer, limit),
    )
    ids = [message_id for (message_id,) in cursor.fetchall()]
    if ids:
        cursor.execute(REMOVE, (json.dumps(ids), consumer))
    return len(ids)
