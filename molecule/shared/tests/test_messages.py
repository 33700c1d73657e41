"""Messages that nobody should have sent: parked with the reason, and the next one is processed."""

from collections.abc import Iterator

import pytest

from tests.helpers.broker import DEAD_LETTERS, Broker, Json, order_message
from tests.helpers.database import Database
from tests.helpers.hosts import Platform
from tests.helpers.journal import Journal
from tests.helpers.services import Service
from tests.helpers.waiting import wait_until

ITEM: Json = {"sku": "Linux", "name": "Linux Administration", "price": 1999, "quantity": 1}


@pytest.fixture(scope="module", autouse=True)
def _no_parked_messages_stay(broker: Broker) -> Iterator[None]:
    """Empty the dead-letter queue afterwards, unless there was something in it before."""
    empty = broker.queue(DEAD_LETTERS)["messages"] == 0
    yield
    if empty:
        broker.purge_parked()


def item(**changes: object) -> list[Json]:
    """Return the items of an order whose one item has these fields changed."""
    return [ITEM | changes]


@pytest.mark.parametrize(
    ("body", "reason", "said"),
    [
        (b"", "malformed", "body"),
        (b"{", "malformed", "body: is not JSON"),
        (b"\xff\xfe\x00", "malformed", "body: is not UTF-8"),
        (b"[]", "invalid", ""),
        (b'"text"', "invalid", ""),
        (b"[" * 100_000, "malformed", "body: is not JSON"),
        (b'{"total": NaN}', "malformed", "NaN"),
        (order_message(orderId=None), "invalid", "orderId"),
        (order_message(orderId=7), "invalid", "orderId"),
        (order_message(orderId="x\nError: forged"), "invalid", "orderId"),
        (order_message(sessionId=None), "invalid", "sessionId"),
        (order_message(userId=""), "invalid", "userId"),
        (order_message(paymentId=None), "invalid", "paymentId"),
        (order_message(items=[]), "invalid", "items"),
        (order_message(items="Linux"), "invalid", "items"),
        (order_message(items=item(sku=None)), "invalid", "items[0].sku"),
        (order_message(items=item(quantity=0)), "invalid", "items[0].quantity"),
        (order_message(items=item(quantity="1")), "invalid", "items[0].quantity"),
        (order_message(items=item(price="1999")), "invalid", "items[0].price"),
        (order_message(items=item(price=-1999), total=-1999), "invalid", "items[0].price"),
        (order_message(items=item(price=19.999), total=19.999), "invalid", "items[0].price"),
        (order_message(total=2000), "invalid", "total"),
        (order_message(total="1999"), "invalid", "total"),
        (order_message(total=1e300), "invalid", "total"),
        (order_message(timestamp="yesterday"), "invalid", "timestamp"),
        (order_message(timestamp="2024-12-14T10:00:00"), "invalid", "timestamp"),
        (order_message(timestamp="2024-13-45T10:00:00Z"), "invalid", "timestamp"),
        (order_message(timestamp=1702554000), "invalid", "timestamp"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_message_that_is_not_right_is_parked_with_the_reason(
    broker: Broker, body: bytes | Json, reason: str, said: str
) -> None:
    """The parked message is the one that was sent, with what an operator needs beside it."""
    message_id = broker.publish(body)
    parked = broker.wait_for_parked(message_id)
    headers = parked["properties"]["headers"]
    assert headers["skillupworks-reason"] == reason
    assert said in headers["skillupworks-error"]
    assert headers["skillupworks-attempts"] == 1
    assert headers["skillupworks-exchange"] == "skillupworks"
    assert headers["skillupworks-first-failed-at"] <= headers["skillupworks-last-failed-at"]


@pytest.mark.parametrize("content_type", ["text/xml", "application/octet-stream"])
def test_another_content_type_is_parked(broker: Broker, content_type: str) -> None:
    """What is not JSON is not tried as JSON."""
    message_id = broker.publish(order_message(), content_type=content_type)
    headers = broker.wait_for_parked(message_id)["properties"]["headers"]
    assert "content_type" in headers["skillupworks-error"]


def test_a_message_that_is_too_large_is_parked(broker: Broker) -> None:
    """Its size is said, its content is kept."""
    message_id = broker.publish(order_message(sessionId="s" * 300_000))
    headers = broker.wait_for_parked(message_id)["properties"]["headers"]
    assert "are more than" in headers["skillupworks-error"]


def test_the_message_after_a_bad_one_is_processed(
    broker: Broker, database: Database, journal: Journal, processors: list[Service]
) -> None:
    """A bad message blocks nobody, and the consumers go on."""
    runs = {broker.publish(b"{") for _ in range(20)}
    good = order_message()
    broker.publish(good)
    assert "✅ Order processed successfully!" in journal.block(good["orderId"])
    assert database.orders(good["orderId"]) == 1
    wait_until("all bad ones are parked", lambda: runs <= set(broker.parked()))
    assert len(broker.consumers()) == len(processors)


def test_the_journal_says_once_why_a_message_was_parked(
    broker: Broker, platform: Platform, processors: list[Service]
) -> None:
    """One line of the level error names the message and the field."""
    message_id = broker.publish(order_message(total=1))
    broker.wait_for_parked(message_id)

    def entries() -> list[str]:
        search = f"journalctl --quiet --output=cat MESSAGE_ID={message_id} PRIORITY=3"
        return [
            line
            for processor in processors
            for line in platform.run(processor.host, search).splitlines()
        ]

    wait_until("the journal has the line", entries)
    (line,) = entries()
    assert message_id in line
    assert "total" in line


def test_an_order_of_another_payment_under_the_same_id_is_parked(
    broker: Broker, database: Database, journal: Journal
) -> None:
    """It is neither recorded over the first one nor taken for a duplicate of it."""
    order = order_message()
    broker.publish(order)
    journal.block(order["orderId"])
    message_id = broker.publish(order | {"paymentId": "pay_other"})
    headers = broker.wait_for_parked(message_id)["properties"]["headers"]
    assert headers["skillupworks-reason"] == "conflict"
    assert "orderId" in headers["skillupworks-error"]
    assert database.orders(order["orderId"]) == 1


@pytest.mark.parametrize("same_message_id", [True, False])
def test_a_message_that_comes_twice_is_one_order_and_one_email(
    broker: Broker, database: Database, journal: Journal, *, same_message_id: bool
) -> None:
    """Whether the publisher sent it again under the same message id or under another."""
    order = order_message()
    first = broker.publish(order)
    journal.block(order["orderId"])
    broker.publish(order, message_id=first if same_message_id else None)
    wait_until(
        "the duplicate is acknowledged",
        lambda: "duplicate" in [e.get("OUTCOME") for e in journal.of_order(order["orderId"])],
    )
    assert database.orders(order["orderId"]) == 1
    assert journal.emails(order["orderId"]) == 1
    wait_until("the queue is empty", lambda: broker.queue()["messages"] == 0)


def test_a_message_that_comes_twenty_times_at_once_is_one_order_and_one_email(
    broker: Broker, database: Database, journal: Journal
) -> None:
    """Consumers on both hosts work on it at the same time."""
    order = order_message()
    message_id = f"test-{order['orderId']}"
    for _ in range(20):
        broker.publish(order, message_id=message_id)

    def outcomes() -> list[str]:
        return sorted(e["OUTCOME"] for e in journal.of_order(order["orderId"]) if "OUTCOME" in e)

    wait_until("all twenty have an outcome", lambda: len(outcomes()) == 20)
    assert outcomes() == ["duplicate"] * 19 + ["processed"]
    assert database.orders(order["orderId"]) == 1
    assert journal.emails(order["orderId"]) == 1


def test_a_message_with_more_fields_than_known_is_processed(
    broker: Broker, journal: Journal
) -> None:
    """A later version may add some."""
    order = order_message(couponCode="NEW", items=item(weight=3))
    broker.publish(order)
    assert "Total: ₹1999.00" in journal.block(order["orderId"])
