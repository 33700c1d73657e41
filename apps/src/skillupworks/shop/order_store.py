"""Orders in MySQL: tables, and the unit of work of one order message."""

from collections.abc import Callable
from time import monotonic

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import DataError, IntegrityError

from skillupworks.errors import PermanentError, StoreUnavailableError
from skillupworks.messaging.message import Delivery, Outcome
from skillupworks.reliability.inbox import Claim, claim, inbox_table
from skillupworks.runtime.database import describe, is_duplicate_key, transaction
from skillupworks.shop.money import CURRENCY
from skillupworks.shop.order import Order
from skillupworks.shop.order_handler import handle_order
from skillupworks.shop.order_message import parse_order

__all__ = ["CONSUMER", "SCRIPTS", "OrderProcess", "order_table"]

CONSUMER = "order-processor"
SCRIPTS = "skillupworks.shop:migrations/orders"


def order_table(metadata: sa.MetaData, schema: str | None = None) -> sa.Table:
    """Return the definition of `orders` for queries; the migrations create it."""
    return sa.Table(
        "orders",
        metadata,
        sa.Column("order_id", sa.String(64, collation="utf8mb4_bin"), primary_key=True),
        sa.Column("payment_id", sa.String(64), nullable=False),
        sa.Column("session_id", sa.String(128), nullable=False),
        sa.Column("user_id", sa.String(128), nullable=False),
        sa.Column("currency", sa.CHAR(3), nullable=False),
        sa.Column("total_minor", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("placed_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.Column("processed_at", mysql.DATETIME(fsp=6), nullable=False),
        schema=schema,
    )


METADATA = sa.MetaData()
INBOX = inbox_table(METADATA)
ORDERS = order_table(METADATA)
ORDER_ITEMS = sa.Table(
    "order_items",
    METADATA,
    sa.Column("order_id", sa.String(64, collation="utf8mb4_bin"), primary_key=True),
    sa.Column("line", sa.SmallInteger, primary_key=True),
    sa.Column("sku", sa.String(64), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("price_minor", sa.BigInteger, nullable=False),
    sa.Column("quantity", sa.Integer, nullable=False),
)


class OrderProcess:
    """Processes a delivery in one transaction: inbox row, order row, order lines."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def __call__(self, delivery: Delivery, _attempt: int) -> Outcome:
        """Return the outcome once it is committed.

        Raises PermanentError when the message can never be processed, StoreUnavailableError when
        the database is away: the message may then be recorded or not, and trying again is safe.
        """
        order = parse_order(delivery)
        try:
            with transaction(self._engine) as connection:
                unit = SqlOrderUnit(connection, delivery, order)
                outcome = handle_order(order, unit)
        except DataError as error:
            raise PermanentError(f"MySQL: {describe(error)}", reason="rejected") from error
        unit.committed()
        return outcome

    def check(self) -> str | None:
        """Return None when the database answers, otherwise what is wrong (a readiness check)."""
        try:
            with transaction(self._engine) as connection:
                connection.execute(sa.select(ORDERS.c.order_id).limit(1))
        except StoreUnavailableError as error:
            return str(error)
        return None


class SqlOrderUnit:
    """The unit of work of one order message on one connection, within its transaction."""

    def __init__(self, connection: sa.Connection, delivery: Delivery, order: Order) -> None:
        self._connection = connection
        # a message that was published by hand, without an id, is recognised by its order
        self._message_id = delivery.message_id or order.order_id
        self._claimed_by = delivery.token
        self._claim = Claim.NEW
        self._actions: list[Callable[[], None]] = []
        self._began = monotonic()

    def first_time(self) -> bool:
        """See OrderUnit."""
        self._claim = claim(self._connection, INBOX, CONSUMER, self._message_id, self._claimed_by)
        return self._claim is not Claim.TAKEN

    def add_order(self, order: Order) -> bool:
        """See OrderUnit."""
        row = {
            "order_id": order.order_id,
            "payment_id": order.payment_id,
            "session_id": order.session_id,
            "user_id": order.user_id,
            "currency": CURRENCY,
            "total_minor": order.total,
            "state": "processed",
            "placed_at": order.timestamp.replace(tzinfo=None),
            "processed_at": sa.func.utc_timestamp(6),
        }
        try:
            self._connection.execute(sa.insert(ORDERS).values(row))
        except IntegrityError as error:
            if not is_duplicate_key(error):
                raise
            self._require_same(order)
            # recorded by an earlier attempt of this delivery: its commit's reply was lost
            return self._claim is Claim.OURS
        self._connection.execute(
            sa.insert(ORDER_ITEMS),
            [
                {
                    "order_id": order.order_id,
                    "line": number,
                    "sku": line.sku,
                    "name": line.name,
                    "price_minor": line.price,
                    "quantity": line.quantity,
                }
                for number, line in enumerate(order.items, start=1)
            ],
        )
        return True

    def after_commit(self, action: Callable[[], None]) -> None:
        """See OrderUnit."""
        self._actions.append(action)

    def elapsed_ms(self) -> float:
        """See OrderUnit."""
        return round((monotonic() - self._began) * 1000, 1)

    def committed(self) -> None:
        """Run what was to be done after the commit."""
        for action in self._actions:
            action()

    def _require_same(self, order: Order) -> None:
        recorded = self._connection.execute(
            sa.select(ORDERS.c.payment_id, ORDERS.c.total_minor).where(
                ORDERS.c.order_id == order.order_id
            )
        ).one_or_none()
        if recorded is not None and tuple(recorded) != (order.payment_id, order.total):
            raise PermanentError(
                f"orderId: {order.order_id} is recorded already with another payment or total",
                reason="conflict",
            )
