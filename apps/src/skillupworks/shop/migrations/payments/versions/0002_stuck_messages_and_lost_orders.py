"""What is known of messages that cannot be published, and of orders that may be lost.

The version before works with this schema too. An `ALTER` is all or nothing, so that the columns of
a table are there together; a run that was interrupted between two is taken up where it ended.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns, each with the index that finds its rows."""
    # without an index, messages that cannot be published would be read again for each new one
    _add(
        "outbox",
        "retry_at",
        "ADD COLUMN traceparent CHAR(55) NULL,"
        " ADD COLUMN attempts INT NOT NULL DEFAULT 0,"
        " ADD COLUMN retry_at DATETIME(6) NULL,"
        " ADD COLUMN error VARCHAR(500) NULL,"
        " ADD INDEX ix_outbox_retry_at (retry_at)",
    )
    _add(
        "payments",
        "republish_at",
        "ADD COLUMN republished INT NOT NULL DEFAULT 0,"
        " ADD COLUMN republish_at DATETIME(6) NULL,"
        " ADD INDEX ix_payments_republish_at (republish_at)",
    )


def _add(table: str, column: str, changes: str) -> None:
    columns = {known["name"] for known in sa.inspect(op.get_bind()).get_columns(table)}
    if column not in columns:
        op.execute(f"ALTER TABLE {table} {changes}")
