"""Hosts reboot: everything comes back by itself, with what it had."""

import pytest

from lab.operations import reboot
from tests.helpers.parts import Parts
from tests.helpers.shop import Json
from tests.helpers.waiting import wait_until

BOOT_SECONDS = 60.0


@pytest.fixture(scope="module", name="order")
def _order(parts: Parts) -> Json:
    """Place an order that nobody consumes; then reboot the broker's and the services' hosts."""
    for processor in parts.processors:
        processor.stop()
    order = parts.shop.place("Linux")
    wait_until("the order is in the queue", lambda: parts.broker.queue()["messages"] == 1)
    hosts = [parts.platform.only("rabbitmq"), *parts.platform.group("order_processor")]
    for name in hosts:
        reboot(parts.platform.lab, name, lambda _line: None, BOOT_SECONDS)
        parts.platform.hang_up(name)
    parts.wait_until_ready(90)
    return order


def test_an_order_from_before_the_reboot_is_processed_after_it(order: Json, parts: Parts) -> None:
    """The queue kept it, and the order processors start with their hosts."""
    parts.assert_each_processed_once([order["orderId"]])


def test_orders_are_taken_and_processed_after_the_reboot(order: Json, parts: Parts) -> None:
    """Payment is back as well, and the old order is still known."""
    parts.shop.buy("Linux")
    assert parts.shop.state(order["orderId"]) == "processed"


def test_the_journal_from_before_the_reboot_is_still_there(order: Json, parts: Parts) -> None:
    """Orders are an audit trail: the previous boot's entries can be read."""
    assert order
    for processor in parts.processors:
        lines = processor.run("journalctl --quiet --boot=-1 --unit=order-processor --lines=3")
        assert "order-processor" in lines


def test_rebooted_hosts_are_healthy(order: Json, parts: Parts) -> None:
    """No unit failed, the firewall is up, and each host kept its name."""
    assert order
    look = "hostname; firewall-cmd --state; systemctl list-units --failed --plain --no-legend"
    assert parts.platform.run_on_all(look) == {
        name: f"{name}\nrunning" for name in parts.platform.names
    }
