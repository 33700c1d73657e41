"""Where an order is sent to.

The version before works with this schema too; what it writes has no address.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column, unless an interrupted run has."""
    columns = {known["name"] for known in sa.inspect(op.get_bind()).get_columns("payments")}
    if "address" not in columns:
        op.execute("ALTER TABLE payments ADD COLUMN address TEXT NULL")
