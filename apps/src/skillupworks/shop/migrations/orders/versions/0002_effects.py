"""Effects of orders in other systems, delivered after the order's transaction."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"

OPTIONS = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def upgrade() -> None:
    """Create the table; one that an interrupted run left is kept."""
    op.create_table(
        "effects",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=True),
        sa.Column("order_id", sa.String(64, collation="utf8mb4_bin"), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("payload", mysql.MEDIUMTEXT, nullable=False),
        sa.Column("traceparent", sa.CHAR(55)),
        sa.Column("recorded_by", sa.CHAR(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        # NULL: given up
        sa.Column("due_at", mysql.DATETIME(fsp=6)),
        sa.Column("error", sa.String(500)),
        sa.Column("created_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.UniqueConstraint("order_id", "kind", name="uq_effects_order_id_kind"),
        # what is due of one kind, in order; and the backlog without a look at the rows
        sa.Index("ix_effects_due", "kind", "due_at", "created_at"),
        if_not_exists=True,
        **OPTIONS,
    )
