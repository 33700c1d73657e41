"""What can be seen of orders: the payment's own facts, and how far the order processor is."""

from collections.abc import Sequence
from datetime import UTC, datetime

from skillupworks.runtime.database import Cursor, Database
from skillupworks.shop.payment_attempt import OrderProgress, Place
from skillupworks.shop.payment_rows import find_attempts
from skillupworks.shop.payments import OrderState, Payment

__all__ = ["SqlOrderStore", "select_progress"]

LIST = (
    "SELECT payment_id FROM payments WHERE user_id = %s"
    " ORDER BY created_at DESC, payment_id DESC LIMIT %s"
)
LIST_BEFORE = (
    "SELECT payment_id FROM payments"
    " WHERE user_id = %s AND (created_at < %s OR created_at = %s AND payment_id < %s)"
    " ORDER BY created_at DESC, payment_id DESC LIMIT %s"
)


def select_progress(orders_database: str) -> str:
    """Return the query, up to its WHERE, for what became of the orders `p` that are paid."""
    # the order processor's table: payment's user may read it, and nothing else there
    return (
        "SELECT o.processed_at,"  # noqa: S608 - the name is a setting
        " EXISTS (SELECT 1 FROM outbox w WHERE w.message_id = p.order_id),"
        " p.republished, p.payment_id, p.order_id"
        f" FROM payments p LEFT JOIN `{orders_database}`.orders o ON o.order_id = p.order_id"
        " WHERE "
    )


class SqlOrderStore:
    """The OrderStore of payment_attempt.py; thread-safe."""

    def __init__(self, database: Database, orders_database: str) -> None:
        self._database = database
        self._select_progress = select_progress(orders_database)

    def order(self, order_id: str) -> OrderProgress | None:
        """See OrderStore."""
        with self._database.transaction() as cursor:
            found = find_attempts(cursor, "order_id = %s", order_id)
            payments = [each.payment for each in found]
            return next(iter(self._progress(cursor, payments)), None)

    def orders(self, owner: str, limit: int, before: Place | None) -> list[OrderProgress]:
        """See OrderStore."""
        with self._database.transaction() as cursor:
            if before is None:
                cursor.execute(LIST, (owner, limit))
            else:
                created_at = before[0].replace(tzinfo=None)
                cursor.execute(LIST_BEFORE, (owner, created_at, created_at, before[1], limit))
            ids = [payment_id for (payment_id,) in cursor.fetchall()]
            if not ids:
                return []
            found = {
                each.payment.payment_id: each.payment
                for each in find_attempts(cursor, "payment_id IN %s", ids)
            }
            # one may have been discarded in between
            payments = [found[payment_id] for payment_id in ids if payment_id in found]
            return self._progress(cursor, payments)

    def _progress(self, cursor: Cursor, payments: Sequence[Payment]) -> list[OrderProgress]:
        known: dict[str, tuple[datetime | None, bool]] = {}
        if paid := [each.payment_id for each in payments if each.state is OrderState.PAID]:
            cursor.execute(self._select_progress + "p.payment_id IN %s", (paid,))
            for processed_at, waiting, _, payment_id, _ in cursor.fetchall():
                known[payment_id] = (processed_at, bool(waiting))
        return [_progress(payment, known.get(payment.payment_id)) for payment in payments]


def _progress(payment: Payment, found: tuple[datetime | None, bool] | None) -> OrderProgress:
    if found is None:
        return OrderProgress(payment, payment.state, None)
    processed_at, waiting = found
    if processed_at is not None:
        return OrderProgress(payment, OrderState.PROCESSED, processed_at.replace(tzinfo=UTC))
    # paid until the broker has the message, then it is the processor's turn
    state = OrderState.PAID if waiting else OrderState.PROCESSING
    return OrderProgress(payment, state, None)
