"""The broker goes away: orders are still taken, and delivered when it is back.

What happens under load is in ../faults.
"""

from collections.abc import Iterator

import pytest

from tests.helpers.broker import QUEUE, VHOST
from tests.helpers.parts import Parts
from tests.helpers.waiting import wait_until


@pytest.fixture(autouse=True)
def _platform_works_afterwards(parts: Parts) -> Iterator[None]:
    """Leave the platform as it was found, whatever the test did."""
    yield
    parts.on_broker("systemctl start rabbitmq-server")
    parts.wait_until_ready()


def test_a_consumer_whose_queue_is_deleted_makes_it_again_and_goes_on(parts: Parts) -> None:
    """The broker cancels the consumer; the queue comes back with its binding and policy."""
    before = parts.broker.consumer_tags()
    parts.broker.delete(f"/queues/{VHOST}/{QUEUE}")
    _wait_for_new_consumers(parts, before)
    assert parts.broker.queue()["policy"] == QUEUE
    parts.shop.buy("Linux")


def test_connections_that_an_operator_closes_are_made_again(parts: Parts) -> None:
    """Those of the consumers and that of the outbox."""
    before = parts.broker.consumer_tags()
    parts.on_broker("rabbitmqctl close_all_user_connections skillupworks 'closed by a test'")
    _wait_for_new_consumers(parts, before)
    parts.shop.buy("Linux")


def test_orders_are_accepted_while_the_broker_is_down_and_delivered_when_it_is_back(
    parts: Parts,
) -> None:
    """The outbox keeps them; the services find the broker again without a restart."""
    shop, payment = parts.shop, parts.payment
    runs = [service.invocation for service in (*parts.processors, payment)]
    parts.on_broker("systemctl stop rabbitmq-server")
    order_ids = [shop.place("Linux")["orderId"] for _ in range(5)]

    assert {shop.state(order_id) for order_id in order_ids} == {"paid"}
    assert parts.database.count("payments.outbox", f"message_id = '{order_ids[0]}'") == 1
    wait_until("payment says degraded", lambda: "degraded" in payment.http("/ready"))
    assert payment.ready()
    wait_until(
        "the order processors say that they are not ready",
        lambda: not any(processor.ready() for processor in parts.processors),
    )

    parts.on_broker("systemctl start rabbitmq-server")
    parts.assert_each_processed_once(order_ids)
    assert parts.database.count("payments.outbox", "true") == 0
    assert [service.invocation for service in (*parts.processors, payment)] == runs


def _wait_for_new_consumers(parts: Parts, before: set[str]) -> None:
    """Return when every order processor consumes, and none under a tag of before."""

    def renewed() -> bool:
        tags = parts.broker.consumer_tags()
        return len(tags) == len(parts.processors) and not tags & before

    wait_until("all order processors consume again", renewed)
