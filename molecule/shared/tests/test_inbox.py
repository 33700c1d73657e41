"""What the inbox forgets: messages of long ago, a batch at a time, and of its own consumer only."""

from collections.abc import Iterator

import pytest

from tests.helpers.database import Database
from tests.helpers.services import Service

CONSUMER = "test-inbox"
OTHER = "test-inbox-other"
DAYS = 30
# (consumer, age in days): five of them are too old
ROWS = [(CONSUMER, age) for age in (40, 39, 38, 31, 31, 29, 0)] + [(OTHER, 50)]
PRUNE = """
import json
from skillupworks.reliability.inbox import prune
from skillupworks.runtime.database import Database
from skillupworks.runtime.settings import load
from skillupworks.shop.order_processor import OrderProcessorSettings
database = Database(load(OrderProcessorSettings), size=2)
def forget(limit):
    with database.transaction() as cursor:
        return prune(cursor, {consumer!r}, {days}, limit)
counts = [forget(2)]
with database.transaction() as cursor:
    held = prune(cursor, {consumer!r}, {days}, 1)
    beside = forget(10)
print(json.dumps([*counts, held, beside, forget(10)]))
"""


@pytest.fixture(name="inbox")
def _inbox(database: Database) -> Iterator[Database]:
    """Return the database with messages of two consumers, of several ages."""
    rows = ", ".join(
        f"('{consumer}', 'message-{number}', 'nobody', UTC_TIMESTAMP(6) - INTERVAL {age} DAY)"
        for number, (consumer, age) in enumerate(ROWS)
    )
    columns = "(consumer, message_id, claimed_by, received_at)"
    database.rows(f"INSERT INTO orders.inbox {columns} VALUES {rows}")  # noqa: S608
    yield database
    database.rows(f"DELETE FROM orders.inbox WHERE consumer IN ('{CONSUMER}', '{OTHER}')")  # noqa: S608


def test_only_what_is_older_than_the_days_is_forgotten(
    inbox: Database, processors: list[Service]
) -> None:
    """In batches of the limit; what another one prunes at the moment is passed over."""
    script = PRUNE.format(consumer=CONSUMER, days=DAYS)

    assert processors[0].python(script) == [2, 1, 2, 0]

    kept = inbox.rows(
        "SELECT consumer, message_id FROM orders.inbox"  # noqa: S608
        f" WHERE consumer IN ('{CONSUMER}', '{OTHER}') ORDER BY message_id"
    )
    assert kept == [[CONSUMER, "message-5"], [CONSUMER, "message-6"], [OTHER, "message-7"]]
