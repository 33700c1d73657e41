"""Payments in MySQL: tables, and the transaction of payment, lines and outbox."""

from contextlib import AbstractContextManager
from datetime import UTC
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import IntegrityError

from skillupworks.errors import StoreUnavailableError
from skillupworks.messaging.message import Outgoing
from skillupworks.reliability.outbox import Outbox, outbox_table
from skillupworks.runtime.database import is_duplicate_key, transaction
from skillupworks.shop.checkout import KeyedPayment, OrderProgress
from skillupworks.shop.order import Line
from skillupworks.shop.order_store import order_table
from skillupworks.shop.payment_model import OrderState, Payment

__all__ = ["OUTBOX", "SCRIPTS", "SqlPaymentStore"]

SCRIPTS = "skillupworks.shop:migrations/payments"

METADATA = sa.MetaData()
OUTBOX_TABLE = outbox_table(METADATA)
OUTBOX = Outbox(OUTBOX_TABLE)
PAYMENTS = sa.Table(
    "payments",
    METADATA,
    sa.Column("payment_id", sa.String(64, collation="utf8mb4_bin"), primary_key=True),
    sa.Column("order_id", sa.String(64, collation="utf8mb4_bin"), nullable=False),
    sa.Column("idempotency_key", sa.String(255, collation="utf8mb4_bin"), nullable=False),
    sa.Column("request_hash", sa.CHAR(64), nullable=False),
    sa.Column("session_id", sa.String(128), nullable=False),
    sa.Column("user_id", sa.String(128), nullable=False),
    sa.Column("currency", sa.CHAR(3), nullable=False),
    sa.Column("total_minor", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("created_at", mysql.DATETIME(fsp=6), nullable=False),
)
PAYMENT_ITEMS = sa.Table(
    "payment_items",
    METADATA,
    sa.Column("payment_id", sa.String(64, collation="utf8mb4_bin"), primary_key=True),
    sa.Column("line", sa.SmallInteger, primary_key=True),
    sa.Column("sku", sa.String(64), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("price_minor", sa.BigInteger, nullable=False),
    sa.Column("quantity", sa.Integer, nullable=False),
)


class SqlPaymentStore:
    """The PaymentStore of checkout.py on MySQL; thread-safe."""

    def __init__(self, engine: sa.Engine, orders_database: str) -> None:
        self._engine = engine
        # the order processor's table: payment's user may read it, and nothing else there
        self._orders = order_table(sa.MetaData(), schema=orders_database)

    def by_key(self, key: str) -> KeyedPayment | None:
        """See PaymentStore."""
        with self._connect() as connection:
            row = connection.execute(
                sa.select(PAYMENTS).where(PAYMENTS.c.idempotency_key == key)
            ).one_or_none()
            if row is None:
                return None
            return KeyedPayment(_payment(connection, row), row.request_hash)

    def add(self, key: str, keyed: KeyedPayment, message: Outgoing) -> bool:
        """See PaymentStore."""
        payment = keyed.payment
        row = {
            "payment_id": payment.payment_id,
            "order_id": payment.order_id,
            "idempotency_key": key,
            "request_hash": keyed.request_hash,
            "session_id": payment.session_id,
            "user_id": payment.user_id,
            "currency": payment.currency,
            "total_minor": payment.total,
            "state": str(payment.state),
            "created_at": payment.created_at.replace(tzinfo=None),
        }
        lines = [
            {
                "payment_id": payment.payment_id,
                "line": number,
                "sku": line.sku,
                "name": line.name,
                "price_minor": line.price,
                "quantity": line.quantity,
            }
            for number, line in enumerate(payment.lines, start=1)
        ]
        try:
            with self._connect() as connection:
                connection.execute(sa.insert(PAYMENTS).values(row))
                connection.execute(sa.insert(PAYMENT_ITEMS), lines)
                OUTBOX.add(connection, message)
        except IntegrityError as error:
            if not is_duplicate_key(error):
                raise
            return False
        return True

    def payment(self, payment_id: str) -> Payment | None:
        """See PaymentStore."""
        with self._connect() as connection:
            row = connection.execute(
                sa.select(PAYMENTS).where(PAYMENTS.c.payment_id == payment_id)
            ).one_or_none()
            return None if row is None else _payment(connection, row)

    def order(self, order_id: str) -> OrderProgress | None:
        """See PaymentStore."""
        processed_at = (
            sa.select(self._orders.c.processed_at)
            .where(self._orders.c.order_id == order_id)
            .scalar_subquery()
        )
        waiting = sa.exists().where(OUTBOX_TABLE.c.message_id == order_id)
        with self._connect() as connection:
            row = connection.execute(
                sa.select(
                    PAYMENTS, processed_at.label("processed_at"), waiting.label("waiting")
                ).where(PAYMENTS.c.order_id == order_id)
            ).one_or_none()
            if row is None:
                return None
            payment = _payment(connection, row)
        if row.processed_at is not None:
            done = row.processed_at.replace(tzinfo=UTC)
            return OrderProgress(payment, OrderState.PROCESSED, done)
        # paid until the broker has the message, then it is the processor's turn
        state = OrderState.PAID if row.waiting else OrderState.PROCESSING
        return OrderProgress(payment, state, None)

    def check(self) -> str | None:
        """See PaymentStore."""
        try:
            with self._connect() as connection:
                connection.execute(sa.select(PAYMENTS.c.payment_id).limit(1))
        except StoreUnavailableError as error:
            return str(error)
        return None

    def _connect(self) -> AbstractContextManager[sa.Connection]:
        return transaction(self._engine)


def _payment(connection: sa.Connection, row: sa.Row[Any]) -> Payment:
    lines = connection.execute(
        sa.select(PAYMENT_ITEMS)
        .where(PAYMENT_ITEMS.c.payment_id == row.payment_id)
        .order_by(PAYMENT_ITEMS.c.line)
    )
    return Payment(
        payment_id=row.payment_id,
        order_id=row.order_id,
        session_id=row.session_id,
        user_id=row.user_id,
        lines=tuple(Line(line.sku, line.name, line.price_minor, line.quantity) for line in lines),
        total=row.total_minor,
        currency=row.currency,
        state=OrderState(row.state),
        created_at=row.created_at.replace(tzinfo=UTC),
    )
