"""Where an order is sent to, which the warehouse is told.

The version before works with this schema too; the orders that it records have no address.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column, unless an interrupted run has."""
    columns = {known["name"] for known in sa.inspect(op.get_bind()).get_columns("orders")}
    if "address" not in columns:
        op.execute("ALTER TABLE orders ADD COLUMN address TEXT NULL")
