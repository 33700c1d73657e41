"""What is known of a payment before it is paid, and the charges of the simulated gateway.

The version before works with this schema too: what it writes is paid, and has no stock to settle.
An `ALTER` is all or nothing, so that the columns of a table are there together.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns with the indexes that find their rows, and the table."""
    columns = {known["name"] for known in sa.inspect(op.get_bind()).get_columns("payments")}
    if "settle_at" not in columns:
        op.execute(
            # whose an order is must be compared exactly
            "ALTER TABLE payments MODIFY COLUMN user_id VARCHAR(128)"
            " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,"
            " ADD COLUMN request TEXT NULL,"
            " ADD COLUMN charging BOOL NOT NULL DEFAULT 0,"
            " ADD COLUMN reason VARCHAR(32) NULL,"
            " ADD COLUMN lease CHAR(16) NULL,"
            " ADD COLUMN leased_until DATETIME(6) NULL,"
            " ADD COLUMN stock_settled BOOL NOT NULL DEFAULT 0,"
            " ADD COLUMN settle_at DATETIME(6) NULL,"
            " ADD INDEX ix_payments_settle_at (settle_at),"
            " ADD INDEX ix_payments_user (user_id, created_at, payment_id)"
        )
    op.create_table(
        "simulated_charges",
        sa.Column("payment_id", sa.String(64, collation="utf8mb4_bin"), primary_key=True),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", mysql.DATETIME(fsp=6), nullable=False),
        if_not_exists=True,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
