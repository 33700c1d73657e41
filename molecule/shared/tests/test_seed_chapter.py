"""The chapter "Order Processor" of the installation guide: its commands, in its order.

Each answers as the chapter prints, on the hosts where the chapter types it.
"""

import re

import pytest

from tests.helpers.broker import Broker, order_message
from tests.helpers.hosts import Platform
from tests.helpers.journal import Journal
from tests.helpers.services import Service
from tests.helpers.shop import Shop
from tests.helpers.waiting import wait_until

UNIT_FILE = "/etc/systemd/system/order-processor.service"


class Terminal:
    """A shell on one host."""

    def __init__(self, platform: Platform, host: str) -> None:
        self._platform = platform
        self._host = host

    def __call__(self, command: str) -> str:
        """Type a command; return what it prints."""
        return self._platform.run(self._host, command)


@pytest.fixture(name="app", params=[0, 1])
def _app(platform: Platform, request: pytest.FixtureRequest) -> Terminal:
    """Sit at the first or the second host of the order processor, if there is one."""
    hosts = platform.group("order_processor")
    if request.param >= len(hosts):
        pytest.skip("there is one host of the order processor")
    return Terminal(platform, hosts[request.param])


@pytest.fixture(scope="module", name="rabbitmq")
def _rabbitmq(platform: Platform) -> Terminal:
    """Sit at the broker's host."""
    return Terminal(platform, platform.only("rabbitmq"))


# Installation steps


def test_id_skillupworks(app: Terminal) -> None:
    """The application user exists, and owns its log directory."""
    assert re.match(r"uid=\d+\(skillupworks\) gid=\d+\(skillupworks\)", app("id skillupworks"))
    assert app("stat --format=%U:%G /var/log/skillupworks") == "skillupworks:skillupworks"


def test_pip_list_grep_pika(app: Terminal) -> None:
    """The client library is installed, with the release."""
    assert re.match(
        r"pika +1\.\d+\.\d+$", app("/opt/skillupworks/current/bin/pip list | grep pika")
    )


# Configuration


def test_grep_rabbitmq_host(app: Terminal, platform: Platform) -> None:
    """The unit shows where the broker is."""
    address = platform.address(platform.only("rabbitmq"))
    answer = app(f"grep RABBITMQ_HOST {UNIT_FILE}")
    assert answer == f"Environment=RABBITMQ_HOST={address}"


def test_grep_rabbitmq_user_and_pass(app: Terminal) -> None:
    """It shows the user as well, and no longer the password."""
    answer = app(f'grep -E "RABBITMQ_USER|RABBITMQ_PASS" {UNIT_FILE}')
    assert answer == "Environment=RABBITMQ_USER=skillupworks"


def test_systemctl_status(app: Terminal) -> None:
    """The service is loaded, enabled and running, under the chapter's description."""
    first, loaded, active, *_ = map(str.strip, app("systemctl status order-processor").splitlines())
    assert first == "● order-processor.service - skillupworks Order Processing Service"
    assert loaded.startswith(f"Loaded: loaded ({UNIT_FILE}; enabled")
    assert active.startswith("Active: active (running)")


# Verification


def test_journalctl_after_the_start(app: Terminal, platform: Platform) -> None:
    """The journal says how the service started, in the chapter's lines."""
    invocation = app("systemctl show order-processor --property=InvocationID --value")
    lines = app(f"journalctl -o cat _SYSTEMD_INVOCATION_ID={invocation}").splitlines()
    expected = [
        "skillupworks Order Processing Service Starting...",
        f"Connected to RabbitMQ at {platform.address(platform.only('rabbitmq'))}",
        "Listening on queue: order-processing",
        "✓ Ready to process orders! Waiting for messages...",
    ]
    assert [line for line in lines if line in expected][:4] == expected


def test_rabbitmqctl_list_connections(rabbitmq: Terminal, platform: Platform) -> None:
    """There is a connection from each order processor's host."""
    lines = rabbitmq("rabbitmqctl list_connections").splitlines()
    assert lines[0] == "Listing connections ..."
    assert lines[1].split("\t")[:3] == ["user", "peer_host", "peer_port"]
    connected = {tuple(line.split("\t")[:2]) for line in lines[2:]}
    assert connected >= {
        ("skillupworks", platform.address(name)) for name in platform.group("order_processor")
    }


def test_rabbitmqctl_list_queues(rabbitmq: Terminal, platform: Platform) -> None:
    """The queue is empty, and has one consumer per host."""
    lines = rabbitmq("rabbitmqctl list_queues name messages consumers").splitlines()
    assert lines[1:3] == ["Listing queues for vhost / ...", "name\tmessages\tconsumers"]
    consumers = len(platform.group("order_processor"))
    assert f"order-processing\t0\t{consumers}" in lines


def test_a_purchase_shows_in_the_order_processors_log(
    shop: Shop, journal: Journal, rabbitmq: Terminal, platform: Platform
) -> None:
    """The chapter's complete order flow: the block, an empty queue, and no error."""
    order = shop.buy("Linux", shipping=True)
    order_id = order["orderId"]
    assert re.fullmatch(r"ORD-\d+", order_id)

    block = journal.block(order_id)
    (user,) = [line for line in block if line.startswith("User: ")]
    assert block == [
        "📦 NEW ORDER RECEIVED",
        f"Order ID: {order_id}",
        user,
        "Total: ₹2500.00",
        "Items: 2",
        "  - Linux x 1 = ₹1999",
        "  - Shipping Cost x 1 = ₹501",
        "",
        "🔄 Processing order...",
        "✅ Order processed successfully!",
        "📧 Confirmation email sent (simulated)",
        "📦 Warehouse notified (simulated)",
    ]

    columns = "name messages messages_ready messages_unacknowledged"
    empty = "order-processing\t0\t0\t0"
    wait_until(
        "the queue is empty", lambda: empty in rabbitmq(f"rabbitmqctl list_queues {columns}")
    )

    since = journal.of_order(order_id)[0]["__REALTIME_TIMESTAMP"]
    for name in platform.group("order_processor"):
        search = "journalctl -u order-processor --since @%s | grep -i error || true"
        assert platform.run(name, search % (int(since) / 1e6)) == ""


def test_journalctl_forms(app: Terminal) -> None:
    """The ways in which the chapter reads the journal all show the service's lines."""
    for options in ("-n 50", "-n 100", '--since "1 hour ago"'):
        assert " order-processor[" in app(f"journalctl -u order-processor {options}")
    assert app("timeout 1 journalctl -u order-processor -f || true")


# Troubleshooting


def test_telnet_to_the_brokers_port(app: Terminal, platform: Platform) -> None:
    """The broker's port is reached from the order processor's host."""
    address = platform.address(platform.only("rabbitmq"))
    assert app(f"bash -c 'exec 3<>/dev/tcp/{address}/5672 && echo Connected'") == "Connected"


def test_systemctl_status_rabbitmq_server(rabbitmq: Terminal) -> None:
    """The broker runs."""
    assert "Active: active (running)" in rabbitmq("systemctl status rabbitmq-server")


def test_rabbitmqctl_list_users(rabbitmq: Terminal) -> None:
    """The services' user has no tag."""
    answer = rabbitmq("rabbitmqctl list_users").splitlines()
    assert "skillupworks\t[]" in answer
    assert "admin\t[administrator]" in answer
    assert len(answer) == 4


def test_firewall_cmd_list_ports_on_the_broker(rabbitmq: Terminal) -> None:
    """The port shows where people look for it."""
    assert "5672/tcp" in rabbitmq("firewall-cmd --list-ports | grep 5672").split()


def test_rabbitmqctl_list_permissions(rabbitmq: Terminal) -> None:
    """The services' user may do everything with queues of this virtual host."""
    assert "skillupworks\t.*\t.*\t.*" in rabbitmq("rabbitmqctl list_permissions -p /").splitlines()


def test_rabbitmqctl_list_consumers(rabbitmq: Terminal, platform: Platform) -> None:
    """Each order processor consumes the queue, with acknowledgements."""
    lines = [line.split("\t") for line in rabbitmq("rabbitmqctl list_consumers").splitlines()]
    header = next(line for line in lines if "queue_name" in line)
    consumers = [dict(zip(header, line, strict=True)) for line in lines if len(line) > 1]
    ours = [found for found in consumers if found["queue_name"] == "order-processing"]
    assert len(ours) == len(platform.group("order_processor"))
    assert {found["ack_required"] for found in ours} == {"true"}


def test_rabbitmqctl_list_bindings(rabbitmq: Terminal) -> None:
    """The exchange feeds the queue."""
    bound = "skillupworks\texchange\torder-processing\tqueue\torder.created\t[]"
    assert bound in rabbitmq("rabbitmqctl list_bindings").splitlines()


def test_journalctl_of_payment_shows_that_it_publishes(shop: Shop, payment: Service) -> None:
    """An order's publication is a line that the chapter's search finds."""
    shop.buy("Linux")
    answer = payment.run(r'journalctl -u payment -n 50 | grep -i "rabbitmq\|publish"')
    assert "Published" in answer


def test_a_message_published_by_hand_is_processed(broker: Broker, journal: Journal) -> None:
    """The chapter's own example of a message goes through the management interface."""
    message = order_message()
    broker.publish(message)
    assert "Total: ₹1999.00" in journal.block(str(message["orderId"]))


# Quick reference


def test_systemctl_restart_comes_back_ready(app: Terminal, processors: list[Service]) -> None:
    """When the command returns, the service runs again, and works soon; its uptime shows it."""
    app("systemctl restart order-processor")
    assert "active (running) since" in app("systemctl status order-processor | grep Active")
    for processor in processors:
        processor.wait_until_ready()
