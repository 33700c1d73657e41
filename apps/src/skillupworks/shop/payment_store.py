"""Payments in MySQL: the transaction of payment, lines and outbox, and what is asked of it."""

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime

from skillupworks.errors import StoreUnavailableError
from skillupworks.messaging.message import Outgoing
from skillupworks.reliability.outbox import Outbox
from skillupworks.runtime.database import Cursor, Database, IntegrityError, is_duplicate_key
from skillupworks.runtime.statements import insert_rows, rows_by_key
from skillupworks.shop.checkout import KeyedPayment, OrderProgress, order_message
from skillupworks.shop.order import Line
from skillupworks.shop.payment_model import OrderState, Payment
from skillupworks.shop.reconciler import Suspect, Verdict

__all__ = ["SCRIPTS", "SqlPaymentStore"]

SCRIPTS = "skillupworks.shop:migrations/payments"

INSERT_PAYMENT = (
    "INSERT INTO payments (payment_id, order_id, idempotency_key, request_hash, session_id,"
    " user_id, currency, total_minor, state, created_at, republish_at)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, UTC_TIMESTAMP(6) + INTERVAL %s SECOND)"
)
INSERT_LINES = (
    "INSERT INTO payment_items (payment_id, line, sku, name, price_minor, quantity)"
    " VALUES (%s, %s, %s, %s, %s, %s)"
)
SELECT_PAYMENT = (
    "SELECT payment_id, order_id, session_id, user_id, currency, total_minor, state, created_at,"
    " request_hash FROM payments WHERE "
)
SELECT_LINES = (
    "SELECT sku, name, price_minor, quantity FROM payment_items WHERE payment_id = %s ORDER BY line"
)
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


class SqlPaymentStore:
    """The PaymentStore of checkout.py and the SuspectStore of reconciler.py; thread-safe.

    An order becomes a suspect `suspect_after` seconds after it was paid.
    """

    def __init__(
        self, database: Database, outbox: Outbox, orders_database: str, suspect_after: int
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._suspect_after = suspect_after
        # the order processor's table: payment's user may read it, and nothing else there
        self._select_progress = (
            "SELECT o.processed_at,"  # noqa: S608 - the name is a setting
            " EXISTS (SELECT 1 FROM outbox w WHERE w.message_id = p.order_id),"
            " p.republished, p.payment_id, p.order_id"
            f" FROM payments p LEFT JOIN `{orders_database}`.orders o ON o.order_id = p.order_id"
            " WHERE "
        )

    def by_key(self, key: str) -> KeyedPayment | None:
        """See PaymentStore."""
        with self._database.transaction() as cursor:
            return _payment(cursor, "idempotency_key = %s", key)

    def add(self, key: str, keyed: KeyedPayment, message: Outgoing) -> bool:
        """See PaymentStore."""
        payment = keyed.payment
        row = (
            payment.payment_id,
            payment.order_id,
            key,
            keyed.request_hash,
            payment.session_id,
            payment.user_id,
            payment.currency,
            payment.total,
            str(payment.state),
            payment.created_at.replace(tzinfo=None),
            self._suspect_after,
        )
        lines = [
            (payment.payment_id, number, line.sku, line.name, line.price, line.quantity)
            for number, line in enumerate(payment.lines, start=1)
        ]
        try:
            with self._database.transaction() as cursor:
                cursor.execute(INSERT_PAYMENT, row)
                insert_rows(cursor, INSERT_LINES, lines)
                self._outbox.add(cursor, message)
        except IntegrityError as error:
            if not is_duplicate_key(error):
                raise
            return False
        return True

    def payment(self, payment_id: str) -> Payment | None:
        """See PaymentStore."""
        with self._database.transaction() as cursor:
            found = _payment(cursor, "payment_id = %s", payment_id)
            return None if found is None else found.payment

    def order(self, order_id: str) -> OrderProgress | None:
        """See PaymentStore."""
        with self._database.transaction() as cursor:
            found = _payment(cursor, "order_id = %s", order_id)
            if found is None:
                return None
            cursor.execute(self._select_progress + "p.order_id = %s", (order_id,))
            ((processed_at, waiting, *_),) = cursor.fetchall()
        if processed_at is not None:
            done: datetime = processed_at.replace(tzinfo=UTC)
            return OrderProgress(found.payment, OrderState.PROCESSED, done)
        # paid until the broker has the message, then it is the processor's turn
        state = OrderState.PAID if waiting else OrderState.PROCESSING
        return OrderProgress(found.payment, state, None)

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

    def check(self) -> str | None:
        """See PaymentStore."""
        try:
            with self._database.transaction() as cursor:
                cursor.execute("SELECT payment_id FROM payments LIMIT 1")
        except StoreUnavailableError as error:
            return str(error)
        return None

    def _republish(self, cursor: Cursor, payment_ids: list[str]) -> None:
        for payment_id in payment_ids:
            if found := _payment(cursor, "payment_id = %s", payment_id):
                self._outbox.add(cursor, order_message(found.payment))


def _payment(cursor: Cursor, condition: str, value: str) -> KeyedPayment | None:
    """Return the one payment that meets a condition, with its lines."""
    cursor.execute(SELECT_PAYMENT + condition, (value,))
    row = cursor.fetchone()
    if row is None:
        return None
    payment_id, order_id, session_id, user_id, currency, total, state, created_at, digest = row
    cursor.execute(SELECT_LINES, (payment_id,))
    payment = Payment(
        payment_id=payment_id,
        order_id=order_id,
        session_id=session_id,
        user_id=user_id,
        lines=tuple(Line(*line) for line in cursor.fetchall()),
        total=total,
        currency=currency,
        state=OrderState(state),
        created_at=created_at.replace(tzinfo=UTC),
    )
    return KeyedPayment(payment, digest)
