"""An effect is its kind and its order's id: what is sent is read from the order itself.

Half of what an order wrote was the copy of its message, once for each effect. From here on order
processors of the release before fail, and leave their messages to the new ones.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Change the table in one statement; effects that wait are kept, and nothing is done twice."""
    columns = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("effects")}
    if "payload" in columns:
        op.execute(
            "ALTER TABLE effects DROP PRIMARY KEY, DROP COLUMN id, DROP COLUMN payload,"
            " DROP KEY uq_effects_order_id_kind, ADD PRIMARY KEY (kind, order_id)"
        )
