"""A service ends in the middle of its work: an order is processed, and once."""

from collections.abc import Iterator

import pytest

from tests.helpers.parts import Parts
from tests.helpers.services import Service
from tests.helpers.waiting import wait_until


@pytest.fixture(autouse=True)
def _services_run_afterwards(parts: Parts) -> Iterator[None]:
    """Leave the platform as it was found, whatever the test did."""
    yield
    parts.on_broker("systemctl start rabbitmq-server")
    for service in (*parts.processors, parts.payment):
        service.start()


def test_an_order_whose_processor_is_killed_is_processed_once(parts: Parts) -> None:
    """Killed between the inbox row and the order row, with the transaction open."""
    with parts.database.locked("orders.orders"):
        order_id, victim = _order_in_work(parts)
        run = victim.invocation
        victim.run(f"systemctl kill --signal=KILL {victim.unit}")
        wait_until(f"{victim} is gone", lambda: victim.state != "active")
    parts.assert_each_processed_once([order_id])
    assert parts.database.count("orders.order_items", f"order_id = '{order_id}'") == 1
    # Restart=always: systemd starts it again after the guide's ten seconds.
    wait_until(f"{victim} runs again", victim.ready)
    assert victim.invocation != run


def test_a_processor_that_is_stopped_finishes_the_order_in_its_hands(parts: Parts) -> None:
    """SIGTERM: the order is not given back to be begun again by another."""
    with parts.database.locked("orders.orders"):
        order_id, stopped = _order_in_work(parts)
        stopped.run(f"systemctl stop --no-block {stopped.unit}")
        wait_until(f"{stopped} is stopping", lambda: stopped.state == "deactivating")
    wait_until(f"{stopped} has ended", lambda: stopped.state == "inactive")
    assert stopped.show("Result", "ExecMainStatus") == {"Result": "success", "ExecMainStatus": "0"}
    if len(parts.processors) == 1:
        stopped.start()  # nobody else does what is left
    assert parts.journal.block(order_id).count("📦 NEW ORDER RECEIVED") == 1
    # what it causes may be left to the other
    processed = [entry for entry in parts.journal.of_order(order_id) if "OUTCOME" in entry]
    assert [entry["_HOSTNAME"] for entry in processed] == [stopped.host]
    assert parts.database.orders(order_id) == 1


def test_orders_go_on_while_one_host_is_out_of_service(parts: Parts) -> None:
    """The other host's order processor takes them all."""
    first, *others = parts.processors
    if not others:
        pytest.skip("there is one host of the order processor")
    first.stop()
    order_ids = [parts.shop.place("Linux")["orderId"] for _ in range(5)]
    parts.assert_each_processed_once(order_ids)
    entries = [entry for order in order_ids for entry in parts.journal.of_order(order)]
    assert {entry["_HOSTNAME"] for entry in entries} == {processor.host for processor in others}


def test_an_order_is_delivered_although_payment_is_killed_after_its_answer(parts: Parts) -> None:
    """The outbox is in the database: the next run of the service relays it."""
    parts.on_broker("systemctl stop rabbitmq-server")
    order_id = parts.shop.place("Linux")["orderId"]
    parts.payment.run("systemctl kill --signal=KILL payment")
    parts.on_broker("systemctl start rabbitmq-server")
    wait_until("payment runs again", parts.payment.ready)
    parts.assert_each_processed_once([order_id])


def test_a_processor_that_hangs_is_started_again(parts: Parts) -> None:
    """Nobody feeds the watchdog of a process that stands still; its messages go to another."""
    hung = parts.processors[-1]
    with hung.changed("WatchdogSec=3\\nTimeoutAbortSec=3\\nRestartSec=1"):
        run = hung.invocation
        hung.run(f"systemctl kill --signal=STOP {hung.unit}")
        order_ids = [parts.shop.place("Linux")["orderId"] for _ in range(4)]
        wait_until(f"{hung} has another run", lambda: hung.invocation not in ("", run))
        parts.assert_each_processed_once(order_ids)


def _order_in_work(parts: Parts) -> tuple[str, Service]:
    """Place an order while `orders` is locked; return it and the service that has it in hand."""
    order_id = parts.shop.place("Linux")["orderId"]
    (address,) = wait_until(
        "the order waits for the lock", lambda: parts.database.waiting(" orders ")
    )
    (service,) = [
        processor
        for processor in parts.processors
        if parts.platform.address(processor.host) == address
    ]
    return order_id, service
