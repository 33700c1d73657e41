"""Where the reconciler finds the paid orders whose time has come."""

import json
from collections import defaultdict
from collections.abc import Callable

from skillupworks.reliability.outbox import Outbox
from skillupworks.runtime.database import Cursor, Database
from skillupworks.runtime.statements import rows_by_key
from skillupworks.shop.order_list import select_progress
from skillupworks.shop.payment_message import order_message
from skillupworks.shop.payment_rows import find_attempt
from skillupworks.shop.reconciler import Suspect, Verdict

__all__ = ["SqlSuspectStore"]

LOCK_SUSPECTS = (
    "SELECT payment_id FROM payments FORCE INDEX (ix_payments_republish_at)"
    " WHERE republish_at <= UTC_TIMESTAMP(6) ORDER BY republish_at LIMIT %s FOR UPDATE SKIP LOCKED"
)
PAYMENTS = rows_by_key("payments", "payment_id", "VARCHAR(64) COLLATE utf8mb4_bin")
# a time after NULL seconds is NULL: the order is not looked at again
SETTLE_SUSPECTS = (
    "UPDATE " + PAYMENTS + " SET payments.republished = payments.republished + %s,"  # noqa: S608
    " payments.republish_at = UTC_TIMESTAMP(6) + INTERVAL %s SECOND"
)


class SqlSuspectStore:
    """The SuspectStore of reconciler.py; thread-safe."""

    def __init__(self, database: Database, outbox: Outbox, orders_database: str) -> None:
        self._database = database
        self._outbox = outbox
        self._select_progress = select_progress(orders_database)

    def review(self, limit: int, judge: Callable[[Suspect], Verdict]) -> int:
        """See SuspectStore; orders that another process reviews are passed over."""
        verdicts: dict[Verdict, list[str]] = defaultdict(list)
        with self._database.transaction() as cursor:
            cursor.execute(LOCK_SUSPECTS, (limit,))
            ids = [payment_id for (payment_id,) in cursor.fetchall()]
            if not ids:
                return 0
            cursor.execute(self._select_progress + "p.payment_id IN %s", (ids,))
            for processed_at, waiting, republished, payment_id, order_id in cursor.fetchall():
                settled = processed_at is not None
                verdict = judge(Suspect(order_id, settled, bool(waiting), republished))
                verdicts[verdict].append(payment_id)
            for verdict, payment_ids in verdicts.items():
                cursor.execute(
                    SETTLE_SUSPECTS,
                    (json.dumps(payment_ids), int(verdict.republish), verdict.again_after),
                )
                if verdict.republish:
                    self._republish(cursor, payment_ids)
        return len(ids)

    def _republish(self, cursor: Cursor, payment_ids: list[str]) -> None:
        for payment_id in payment_ids:
            if found := find_attempt(cursor, "payment_id = %s", payment_id):
                self._outbox.add(cursor, order_message(found.payment, found.traceparent))
