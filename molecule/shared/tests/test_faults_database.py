"""The database goes away: customers and messages wait.

What happens under load is in ../faults.
"""

from collections.abc import Iterator

import pytest

from tests.helpers.broker import order_message
from tests.helpers.parts import Parts
from tests.helpers.shop import order_of
from tests.helpers.waiting import wait_until


@pytest.fixture(autouse=True)
def _platform_works_afterwards(parts: Parts) -> Iterator[None]:
    """Leave the platform as it was found, whatever the test did."""
    yield
    parts.on_database(f"systemctl start {parts.database.unit}")
    parts.wait_until_ready()


def test_without_the_database_orders_are_refused_for_now_and_messages_wait(parts: Parts) -> None:
    """The shop says when to try again; a message is kept and not parked."""
    parts.on_database(f"systemctl stop {parts.database.unit}")
    answer = parts.shop.post(order_of("Linux"))
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    ready = parts.payment.http("/ready")
    assert " 503 " in ready.splitlines()[0]
    assert "mysql" in ready

    message = order_message()
    parts.broker.publish(message)
    wait_until(
        "an order processor has the message in its hands",
        lambda: parts.broker.queue()["messages_unacknowledged"] == 1,
    )
    assert not any(processor.ready() for processor in parts.processors)

    parts.on_database(f"systemctl start {parts.database.unit}")
    assert parts.journal.block(message["orderId"])[-1] == "📦 Warehouse notified (simulated)"
    assert parts.database.orders(message["orderId"]) == 1
