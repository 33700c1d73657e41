"""The firewall: every port is open to its own clients and to nobody else."""

import ipaddress
import json
import shlex
import socket
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.helpers.ansible import variable
from tests.helpers.hosts import Platform
from tests.helpers.waiting import wait_until

# This machine, which the lab's inventory names as the operator's.
OPERATOR = "operator"
# The platform's ports, and those that its programs listen on for nobody else.
PORTS = (22, 3306, 4369, 5672, 6379, *range(8081, 8086), 9101, 9102, 15672, 15692, 25672, 27017)
# These have a listener only for this test: the table knows two of them, on one host.
SPARE_PORTS = (2525, 8099, 9999)

Flow = tuple[str, str, int]
Openings = Mapping[str, list[dict[str, Any]]]

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
    return variable("base_firewall_openings")


@pytest.fixture(scope="module")
def spare_ports(platform: Platform) -> Iterator[tuple[int, ...]]:
    """Let something listen on the spare ports of every host."""
    serve = f"python3 -c {shlex.quote(LISTEN)} {shlex.join(map(str, SPARE_PORTS))}"
    platform.run_on_all(f"systemd-run --quiet --collect --unit=test-spare {serve}")
    last = f"ss --no-header --listening --tcp --numeric 'sport = :{SPARE_PORTS[-1]}'"
    wait_until("all hosts listen", lambda: all(platform.run_on_all(last).values()))
    yield SPARE_PORTS
    platform.run_on_all("systemctl stop test-spare")


def test_exactly_the_flows_of_the_table_get_through(
    platform: Platform, openings: Openings, spare_ports: tuple[int, ...]
) -> None:
    """From each host, and from here, every port of every other host is tried."""
    addresses = {name: platform.address(name) for name in platform.names}
    sources = addresses | {OPERATOR: str(platform.lab.gateway)}
    expected = {
        (source, target, 22) for source in sources for target in addresses if source != target
    } | {
        (source, target, opening["port"])
        for target, allowed in openings.items()
        for opening in allowed
        for source, address in sources.items()
        if source != target and _within(address, opening["from"])
    }

    def reached_from(source: str) -> set[Flow]:
        targets = [
            (address, port)
            for name, address in addresses.items()
            if name != source
            for port in (*PORTS, *spare_ports)
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
    ports = {name: sorted(opening["port"] for opening in found) for name, found in openings.items()}
    expected: dict[str, list[int]] = {name: [] for name in platform.names}
    expected[platform.only("mysql")] += [3306]
    expected[platform.only("rabbitmq")] += [5672, 15672]
    expected[platform.only("redis")] += [6379]
    expected[platform.only("mongodb")] += [27017]
    for name in platform.group("catalogue"):
        expected[name] += [8081]
    for name in platform.group("user"):
        expected[name] += [8082]
    for name in platform.group("cart"):
        expected[name] += [8083]
    for name in platform.group("payment"):
        expected[name] += [8084]
    for name in platform.group("shipping"):
        expected[name] += [8085]
    # only in the lab, for what its tests run there
    expected["web"] += [2525, 8099]
    assert ports == {name: sorted(found) for name, found in expected.items()}


def test_a_refused_connection_is_refused_at_once(platform: Platform) -> None:
    """Nobody waits for a timeout: the firewall answers."""
    target = platform.address(platform.only("mysql"))
    with pytest.raises(OSError, match=r"No route to host|refused"):
        socket.create_connection((target, 3306), timeout=2)


def _within(address: str, sources: list[str]) -> bool:
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(source) for source in sources)
