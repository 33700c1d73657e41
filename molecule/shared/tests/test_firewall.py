"""The firewall: every port is open to its own clients and to nobody else."""

import json
import shlex
import socket
import subprocess
from collections.abc import Iterator, Mapping

import pytest

from tests.helpers.flows import Openings, open_to, port_range, read_openings, within
from tests.helpers.hosts import Platform
from tests.helpers.waiting import wait_until

# This machine, which the lab's inventory names as the operator's.
OPERATOR = "operator"
# These have a listener only for this test: the lab's table knows two of them, on one host.
SPARE_PORTS = (2525, 8099, 9999)
# as `ss` writes it
LOOPBACK = ("127.", "[::1]", "[::ffff:127.")
# What the hosts of a group let in from somewhere.
GROUP_PORTS = {
    "mysql": [3306],
    "redis": [6379],
    "mongodb": [27017],
    "rabbitmq": [5672, 15672],
    "frontend": [80, 2525, 8099],  # the last two only in labs, for what their tests run there
    "catalogue": [8081],
    "user": [8082],
    "cart": [8083],
    "payment": [8084],
    "shipping": [8085],
}
# between the nodes of a cluster, and from where Prometheus runs
CLUSTER_PORTS = {4369, 25672}
METRICS_PORT = 9101

Flow = tuple[str, str, int]

LISTEN = """
import signal, socket, sys
listeners = [socket.create_server(("", int(port))) for port in sys.argv[1:]]
signal.pause()
"""

PROBE = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def reaches(target):
    try:
        socket.create_connection(target, timeout=2).close()
    except OSError:
        return False
    return True
targets = json.loads(sys.argv[1])
with ThreadPoolExecutor(64) as pool:
    print(json.dumps([t for t, ok in zip(targets, pool.map(reaches, map(tuple, targets))) if ok]))
"""


@pytest.fixture(scope="module")
def openings() -> Openings:
    """Return each host's openings as Ansible resolves them from the table of flows."""
    return read_openings()


@pytest.fixture(scope="module")
def listening(platform: Platform) -> Iterator[Mapping[str, set[int]]]:
    """Return the ports that each host listens on for others; on some just for this test."""
    serve = f"python3 -c {shlex.quote(LISTEN)} {shlex.join(map(str, SPARE_PORTS))}"
    platform.run_on_all(f"systemd-run --quiet --collect --unit=test-spare {serve}")
    last = f"ss --no-header --listening --tcp --numeric 'sport = :{SPARE_PORTS[-1]}'"
    wait_until("all hosts listen", lambda: all(platform.run_on_all(last).values()))
    listing = platform.run_on_all("ss --no-header --listening --tcp --numeric")
    yield {name: _ports(text) for name, text in listing.items()}
    platform.run_on_all("systemctl stop test-spare")


def test_exactly_the_flows_of_the_table_get_through(
    platform: Platform, openings: Openings, listening: Mapping[str, set[int]]
) -> None:
    """From each host, and from here, every port that any host listens on is tried on every other.

    What nobody thought of is among them: the ports are what `ss` lists, not a list of ours.
    """
    addresses = {name: platform.address(name) for name in platform.names}
    sources = addresses | {OPERATOR: str(platform.lab.gateway)}
    ports = set().union(*listening.values())
    expected = {
        (source, target, port)
        for target, allowed in openings.items()
        for source, address in sources.items()
        if source != target
        for port in open_to(allowed, address)
        if port in listening[target]
    }

    def reached_from(source: str) -> set[Flow]:
        targets = [
            (address, port)
            for name, address in addresses.items()
            if name != source
            for port in sorted(ports)
        ]
        command = f"python3 -c {shlex.quote(PROBE)} {shlex.quote(json.dumps(targets))}"
        if source == OPERATOR:
            output = subprocess.check_output(["sh", "-c", command], text=True)
        else:
            output = platform.run(source, command)
        names = {address: name for name, address in addresses.items()}
        return {(source, names[address], port) for address, port in json.loads(output)}

    reached = set().union(*platform.each(sources, reached_from).values())
    assert sorted(reached) == sorted(expected)


def test_the_table_opens_what_the_services_need(platform: Platform, openings: Openings) -> None:
    """The flows of the architecture, written down once more: a slip in the table shows here."""
    ports: dict[str, set[int]] = {name: set() for name in platform.names}
    for group, opened in GROUP_PORTS.items():
        for name in platform.group(group):
            ports[name] |= set(opened)
    if len(platform.group("rabbitmq")) > 1:
        for name in platform.group("rabbitmq"):
            ports[name] |= CLUSTER_PORTS
    if platform.group("monitoring"):
        for name in platform.group("order_processor"):
            ports[name] |= {METRICS_PORT}
    found = {
        name: set().union(*(port_range(opening) for opening in allowed))
        for name, allowed in openings.items()
    }
    assert found == ports


def test_a_refused_connection_is_refused_at_once(platform: Platform) -> None:
    """Nobody waits for a timeout: the firewall answers."""
    target = platform.address(platform.only("mysql"))
    with pytest.raises(OSError, match=r"No route to host|refused"):
        socket.create_connection((target, 3306), timeout=2)


def test_payment_is_let_in_where_it_asks_and_no_other_service_is(
    platform: Platform, openings: Openings
) -> None:
    """Sessions, stock and shipping: their hosts know each other's addresses."""
    services = ("payment", "catalogue", "cart", "user", "shipping", "order_processor")
    clients = {
        ("redis", 6379): {"payment", "cart", "user"},
        ("catalogue", 8081): {"payment", "cart"},
        ("shipping", 8085): {"payment"},
    }
    for (group, port), expected in clients.items():
        (sources,) = [
            opening["from"]
            for opening in openings[platform.group(group)[0]]
            if str(opening["port"]) == str(port)
        ]
        let_in = {
            service
            for service in services
            for name in platform.group(service)
            if within(platform.address(name), sources)
        }
        sharing = {
            service
            for service in services
            if {*platform.group(service)} & {n for e in expected for n in platform.group(e)}
        }
        assert expected <= let_in <= sharing, (group, let_in)


def _ports(listing: str) -> set[int]:
    """Return the ports of `ss --listening` that others could reach but for the firewall."""
    ends = (line.split()[3].rpartition(":") for line in listing.splitlines())
    return {int(port) for address, _, port in ends if not address.startswith(LOOPBACK)}
