"""Orders, their lines, and the inbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

OPTIONS = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def upgrade() -> None:
    """Create the tables; those that an interrupted run left are kept."""
    op.create_table(
        "orders",
        sa.Column("order_id", sa.String(64, collation="utf8mb4_bin"), primary_key=True),
        sa.Column("payment_id", sa.String(64), nullable=False),
        sa.Column("session_id", sa.String(128), nullable=False),
        sa.Column("user_id", sa.String(128), nullable=False),
        sa.Column("currency", sa.CHAR(3), nullable=False),
        sa.Column("total_minor", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("placed_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.Column("processed_at", mysql.DATETIME(fsp=6), nullable=False),
        if_not_exists=True,
        **OPTIONS,
    )
    op.create_table(
        "order_items",
        sa.Column("order_id", sa.String(64, collation="utf8mb4_bin"), primary_key=True),
        sa.Column("line", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("sku", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("price_minor", sa.BigInteger, nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.order_id"], name="fk_order_items_order"),
        if_not_exists=True,
        **OPTIONS,
    )
    op.create_table(
        "inbox",
        sa.Column("consumer", sa.String(64), primary_key=True),
        sa.Column("message_id", sa.String(255, collation="utf8mb4_bin"), primary_key=True),
        sa.Column("claimed_by", sa.CHAR(32), nullable=False),
        sa.Column("received_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.Index("ix_inbox_received_at", "received_at"),
        if_not_exists=True,
        **OPTIONS,
    )
