"""What the peers' handlers do with an order: the same as ours, in the way their users write it."""

import hashlib
from collections.abc import Callable
from typing import Any

import pymysql

from benchmarks.job import Effect, Job

__all__ = ["Handle", "compute", "handler"]

Handle = Callable[[dict[str, Any]], None]

INSERT_INBOX = (
    "INSERT INTO inbox (consumer, message_id, claimed_by, received_at)"
    " VALUES ('benchmark', %s, '', UTC_TIMESTAMP(6))"
)
INSERT_ORDER = (
    "INSERT INTO orders (order_id, payment_id, session_id, user_id, currency, total_minor, state,"
    " placed_at, processed_at)"
    " VALUES (%s, %s, %s, %s, 'INR', %s, 'processed', %s, UTC_TIMESTAMP(6))"
)


def handler(job: Job) -> Handle:
    """Return the function that handles an order; it connects when it is first called."""
    if job.effect == Effect.STORE:
        return _Store(job)
    if job.effect == Effect.COMPUTE:
        return lambda _order: compute()
    return lambda _order: None


def compute() -> None:
    """Keep one core busy for about a millisecond, as rendering a document would."""
    hashlib.pbkdf2_hmac("sha256", b"order", b"salt", 1500)


class _Store:
    """One transaction per message, on one connection per process."""

    def __init__(self, job: Job) -> None:
        self._database = job.database
        self._connection: pymysql.connections.Connection[Any] | None = None

    def __call__(self, order: dict[str, Any]) -> None:
        if self._connection is None:
            self._connection = pymysql.connect(
                host=self._database.host,
                user=self._database.user,
                password=self._database.password,
                database=self._database.name,
                charset="utf8mb4",
                init_command="SET time_zone = '+00:00', transaction_isolation = 'READ-COMMITTED'",
            )
        with self._connection.cursor() as cursor:
            cursor.execute(INSERT_INBOX, (order["orderId"],))
            cursor.execute(
                INSERT_ORDER,
                (
                    order["orderId"],
                    order["paymentId"],
                    order["sessionId"],
                    order["userId"],
                    round(order["total"] * 100),
                    order["timestamp"].rstrip("Z").replace("T", " "),
                ),
            )
        self._connection.commit()
