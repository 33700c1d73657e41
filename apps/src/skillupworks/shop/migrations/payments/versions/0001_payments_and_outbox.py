"""Payments, their lines, and the outbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

OPTIONS = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def upgrade() -> None:
    """Create the tables; those that an interrupted run left are kept."""
    op.create_table(
        "payments",
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
        sa.UniqueConstraint("order_id", name="uq_payments_order_id"),
        sa.UniqueConstraint("idempotency_key", name="uq_payments_idempotency_key"),
        if_not_exists=True,
        **OPTIONS,
    )
    op.create_table(
        "payment_items",
        sa.Column("payment_id", sa.String(64, collation="utf8mb4_bin"), primary_key=True),
        sa.Column("line", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("sku", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("price_minor", sa.BigInteger, nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.payment_id"], name="fk_payment_items_payment"
        ),
        if_not_exists=True,
        **OPTIONS,
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=True),
        sa.Column("message_id", sa.String(255, collation="utf8mb4_bin"), nullable=False),
        sa.Column("exchange", sa.String(255), nullable=False),
        sa.Column("routing_key", sa.String(255), nullable=False),
        sa.Column("type", sa.String(255), nullable=False),
        sa.Column("body", mysql.MEDIUMBLOB, nullable=False),
        sa.Column("created_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.UniqueConstraint("message_id", name="uq_outbox_message_id"),
        if_not_exists=True,
        **OPTIONS,
    )
