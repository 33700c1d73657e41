"""Payments in MySQL: each step is one transaction, and one statement says whether it may be done.

`leased_until` says until when somebody works on a payment, `lease` who. `settle_at` is when the
settler looks at a payment; it is NULL once there is nothing more to do.
"""

import json
from collections.abc import Sequence

from skillupworks.errors import StoreUnavailableError
from skillupworks.messaging.message import Outgoing
from skillupworks.reliability.outbox import Outbox
from skillupworks.runtime.database import Database, IntegrityError, is_duplicate_key
from skillupworks.runtime.statements import insert_rows, rows_by_key
from skillupworks.shop.address import stored_address
from skillupworks.shop.leases import Leases
from skillupworks.shop.payment_attempt import Attempt
from skillupworks.shop.payment_rows import find_attempt, find_attempts
from skillupworks.shop.payments import Payment

__all__ = ["SCRIPTS", "SqlPaymentStore"]

SCRIPTS = "skillupworks.shop:migrations/payments"

# longer than all steps of a request take together; who is slower finds the lease gone
LEASE_SECONDS = 30
# until a charge without an outcome is looked at
RECHECK_SECONDS = 2

NOW = "UTC_TIMESTAMP(6)"
INSERT_PAYMENT = (
    "INSERT INTO payments (payment_id, order_id, idempotency_key, request_hash, session_id,"  # noqa: S608
    " user_id, currency, total_minor, state, created_at, request, lease, leased_until, settle_at)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,"
    f" {NOW} + INTERVAL {LEASE_SECONDS} SECOND, {NOW} + INTERVAL %s SECOND)"
)
INSERT_LINES = (
    "INSERT INTO payment_items (payment_id, line, sku, name, price_minor, quantity)"
    " VALUES (%s, %s, %s, %s, %s, %s)"
)
TAKE_UP = (
    f"UPDATE payments SET lease = %s, leased_until = {NOW} + INTERVAL {LEASE_SECONDS} SECOND"  # noqa: S608
    f" WHERE payment_id = %s AND state = 'accepted' AND charging = %s AND leased_until <= {NOW}"
)
FREE = (
    f"UPDATE payments SET leased_until = {NOW}"  # noqa: S608
    " WHERE payment_id = %s AND lease = %s AND state = 'accepted'"
)
DISCARD = (
    "DELETE FROM payments"
    " WHERE payment_id = %s AND lease = %s AND state = 'accepted' AND charging = 0"
)
CHARGING = (
    f"UPDATE payments SET charging = 1, total_minor = %s, address = %s,"  # noqa: S608
    f" leased_until = {NOW} + INTERVAL {LEASE_SECONDS} SECOND,"
    f" settle_at = {NOW} + INTERVAL {LEASE_SECONDS} SECOND"
    " WHERE payment_id = %s AND lease = %s AND state = 'accepted' AND charging = 0"
)
PAID = (
    f"UPDATE payments SET state = 'paid', republish_at = {NOW} + INTERVAL %s SECOND,"  # noqa: S608
    f" settle_at = {NOW} + INTERVAL {LEASE_SECONDS} SECOND"
    " WHERE payment_id = %s AND state = 'accepted' AND charging = 1"
)
REJECT = (
    f"UPDATE payments SET state = 'rejected', reason = %s,"  # noqa: S608
    f" settle_at = {NOW} + INTERVAL {LEASE_SECONDS} SECOND"
    " WHERE payment_id = %s AND state = 'accepted' AND charging = %s"
)
WAIT = (
    f"UPDATE payments SET leased_until = {NOW},"  # noqa: S608
    f" settle_at = {NOW} + INTERVAL {RECHECK_SECONDS} SECOND"
    " WHERE payment_id = %s AND state = 'accepted'"
)
LOCK_DUE = (
    "SELECT payment_id FROM payments FORCE INDEX (ix_payments_settle_at)"  # noqa: S608
    f" WHERE settle_at <= {NOW} ORDER BY settle_at LIMIT %s FOR UPDATE SKIP LOCKED"
)
# an accepted one is first of all for the customer, who comes again; the settler's turn is as it was
FREE_LEFT = (
    f"UPDATE payments FORCE INDEX (ix_payments_settle_at) SET leased_until = {NOW},"  # noqa: S608
    f" settle_at = IF(state = 'accepted', settle_at, {NOW})"
    " WHERE settle_at > '1970-01-01' AND lease LIKE %s AND lease NOT LIKE %s"
)
PAYMENTS = rows_by_key("payments", "payment_id", "VARCHAR(64) COLLATE utf8mb4_bin")
PASS_OVER = "UPDATE " + PAYMENTS + " SET payments.settle_at = payments.leased_until"  # noqa: S608
CLAIM = (
    "UPDATE " + PAYMENTS + " SET payments.lease = %s,"  # noqa: S608
    f" payments.leased_until = {NOW} + INTERVAL {LEASE_SECONDS} SECOND,"
    f" payments.settle_at = {NOW} + INTERVAL {LEASE_SECONDS} SECOND"
)
STOCK_DONE = (
    "UPDATE " + PAYMENTS + " SET payments.stock_settled = %s, payments.settle_at = NULL"  # noqa: S608
)


class SqlPaymentStore:
    """The steps of the PaymentStore of payment_attempt.py, and its SettlerStore; thread-safe.

    A payment that is not charged is looked at by the settler `abandon_after` seconds after it was
    begun; an order becomes a suspect of the reconciler `suspect_after` seconds after it was paid.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        leases: Leases,
        *,
        suspect_after: int,
        abandon_after: int,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._leases = leases
        self._suspect_after = suspect_after
        self._abandon_after = abandon_after

    def begin(self, key: str, attempt: Attempt) -> bool:
        """See PaymentStore."""
        payment = attempt.payment
        row = (
            payment.payment_id,
            payment.order_id,
            key,
            attempt.request_hash,
            payment.session_id,
            payment.user_id,
            payment.currency,
            payment.total,
            str(payment.state),
            payment.created_at.replace(tzinfo=None),
            _request_of(attempt),
            attempt.lease,
            self._abandon_after,
        )
        try:
            return self._does(INSERT_PAYMENT, *row)
        except IntegrityError as error:
            if not is_duplicate_key(error):
                raise
            return False

    def by_key(self, key: str) -> Attempt | None:
        """See PaymentStore."""
        with self._database.transaction() as cursor:
            return find_attempt(cursor, "idempotency_key = %s", key)

    def attempt(self, payment_id: str) -> Attempt | None:
        """See PaymentStore."""
        with self._database.transaction() as cursor:
            return find_attempt(cursor, "payment_id = %s", payment_id)

    def take_up(self, attempt: Attempt) -> bool:
        """See PaymentStore."""
        payment_id = attempt.payment.payment_id
        return self._does(TAKE_UP, attempt.lease, payment_id, int(attempt.charging))

    def free(self, attempt: Attempt) -> None:
        """See PaymentStore."""
        self._does(FREE, attempt.payment.payment_id, attempt.lease)

    def discard(self, attempt: Attempt) -> None:
        """See PaymentStore."""
        self._does(DISCARD, attempt.payment.payment_id, attempt.lease)

    def charging(self, attempt: Attempt) -> bool:
        """See PaymentStore."""
        payment = attempt.payment
        lines = [
            (payment.payment_id, number, line.sku, line.name, line.price, line.quantity)
            for number, line in enumerate(payment.lines, start=1)
        ]
        address = stored_address(payment.address)
        with self._database.transaction() as cursor:
            values = (payment.total, address, payment.payment_id, attempt.lease)
            if not cursor.execute(CHARGING, values):
                return False
            insert_rows(cursor, INSERT_LINES, lines)
        return True

    def paid(self, payment: Payment, message: Outgoing) -> bool:
        """See PaymentStore."""
        with self._database.transaction() as cursor:
            if not cursor.execute(PAID, (self._suspect_after, payment.payment_id)):
                return False
            self._outbox.add(cursor, message)
        return True

    def declined(self, payment_id: str, reason: str) -> bool:
        """See PaymentStore."""
        return self._does(REJECT, reason, payment_id, 1)

    def abandon(self, payment_id: str) -> bool:
        """See SettlerStore."""
        return self._does(REJECT, "abandoned", payment_id, 0)

    def wait(self, payment_id: str) -> None:
        """See PaymentStore."""
        self._does(WAIT, payment_id)

    def free_left(self) -> int:
        """See SettlerStore."""
        with self._database.transaction() as cursor:
            return cursor.execute(FREE_LEFT, (f"{self._leases.place}%", f"{self._leases.own}%"))

    def due(self, limit: int) -> list[Attempt]:
        """See SettlerStore; payments that another process looks at are passed over."""
        with self._database.transaction() as cursor:
            cursor.execute(LOCK_DUE, (limit,))
            ids = [payment_id for (payment_id,) in cursor.fetchall()]
            if not ids:
                return []
            attempts = find_attempts(cursor, "payment_id IN %s", ids)
            leased = [each.payment.payment_id for each in attempts if each.leased]
            due = [each for each in attempts if not each.leased]
            if leased:
                cursor.execute(PASS_OVER, (json.dumps(leased),))
            if due:
                claimed = json.dumps([each.payment.payment_id for each in due])
                cursor.execute(CLAIM, (claimed, self._leases.new()))
        return due

    def stock_done(self, payment_ids: Sequence[str], *, settled: bool) -> None:
        """See SettlerStore."""
        with self._database.transaction() as cursor:
            cursor.execute(STOCK_DONE, (json.dumps(list(payment_ids)), int(settled)))

    def check(self) -> str | None:
        """See PaymentStore."""
        try:
            with self._database.transaction() as cursor:
                cursor.execute("SELECT address FROM payments LIMIT 1")
        except StoreUnavailableError as error:
            return str(error)
        return None

    def _does(self, statement: str, *values: object) -> bool:
        with self._database.transaction() as cursor:
            return cursor.execute(statement, values) == 1


def _request_of(attempt: Attempt) -> str:
    """Return what is kept of a request; an earlier release ignores what it does not know of it."""
    kept = {"items": dict(attempt.items), "last4": attempt.last4}
    return json.dumps(kept | {"traceparent": attempt.traceparent})
