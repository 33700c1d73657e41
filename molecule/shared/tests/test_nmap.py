"""nmap from each host to every other: what the firewalls let through, if nothing listens as well.

It runs here, in the network namespace of the host that it is to come from: hosts need no nmap.
"""

import re
import subprocess
from collections.abc import Iterator

import pytest

from lab.network import namespace_name
from tests.helpers.flows import open_to, read_openings
from tests.helpers.hosts import Platform

NMAP = ["nmap", "-n", "-Pn", "-sS", "--min-rate", "10000", "--max-retries", "3", "-oG", "-"]
# A firewall lets in what may be an answer, from where its host has sent something to, as these
# scans do. So the port that they come from is not looked at, and what is found is asked again,
# from another one.
FROM = "20000"
AGAIN_FROM = "30000"
# this machine, which the lab's inventory names as the operator's
OPERATOR = "operator"
# A refused packet is answered with ICMP. Of these Linux sends one a second: nmap would have to
# send the others again and again, and could not tell a refusal from a loss.
LIMITS = {
    "net.ipv4.icmp_ratelimit": "0",
    "net.ipv4.icmp_msgs_per_sec": "1000000",
    "net.ipv4.icmp_msgs_burst": "1000000",
}


@pytest.fixture(name="talkative", scope="module")
def _talkative(platform: Platform) -> Iterator[None]:
    """Let every host answer all that it refuses; as before at the end."""
    before = {name: settings(platform, name, LIMITS) for name in platform.names}
    for name in platform.names:
        change(platform, name, LIMITS)
    yield
    for name, values in before.items():
        change(platform, name, values)


@pytest.mark.usefixtures("talkative")
def test_nmap_finds_the_flows_of_the_table_and_no_others(platform: Platform) -> None:
    """A port that is let through answers, open or closed; all others are filtered."""
    openings = read_openings()
    addresses = {name: platform.address(name) for name in platform.names}
    sources = addresses | {OPERATOR: str(platform.lab.gateway)}
    found = {source: scan(platform, source, addresses) for source in sources}
    assert found == {
        source: {
            target: sorted(open_to(openings[target], address))
            for target in addresses
            if target != source
        }
        for source, address in sources.items()
    }


def test_no_host_lets_udp_in(platform: Platform) -> None:
    """There is no rule for it, so that the last one refuses it; answers come back as they do."""
    for name in platform.names:
        rules = inside(platform, name, ["nft", "list", "ruleset"])
        assert "reject with icmpx admin-prohibited" in rules, name
        assert "udp" not in rules, name


def scan(platform: Platform, source: str, addresses: dict[str, str]) -> dict[str, list[int]]:
    """Return for each other host the ports that let packets of this one through."""
    targets = {address: name for name, address in addresses.items() if name != source}
    if not targets:  # one host has everything
        return {}
    every = ["-p-", "-g", FROM, "--exclude-ports", FROM]
    first = through(inside(platform, source, [*NMAP, *every, *targets]))
    found = sorted(set().union(*first.values()))
    again = ["-p", ",".join(map(str, found)), "-g", AGAIN_FROM]
    second = through(inside(platform, source, [*NMAP, *again, *targets]))
    return {name: sorted(first[address] & second[address]) for address, name in targets.items()}


def through(output: str) -> dict[str, set[int]]:
    """Return the ports that answered, by address: open, or closed where nothing listens."""
    return {
        address: {
            int(port) for port, state in re.findall(r"(\d+)/(\w+)/", line) if state != "filtered"
        }
        for address, line in re.findall(r"^Host: (\S+) .*?Ports: (.*)", output, re.MULTILINE)
    }


def settings(platform: Platform, name: str, wanted: dict[str, str]) -> dict[str, str]:
    """Return the kernel's settings for a host's network."""
    values = inside(platform, name, ["sysctl", "--values", *wanted]).split()
    return dict(zip(wanted, values, strict=True))


def change(platform: Platform, name: str, values: dict[str, str]) -> None:
    """Change the kernel's settings for a host's network."""
    pairs = [f"{key}={value}" for key, value in values.items()]
    inside(platform, name, ["sysctl", "--quiet", "--write", *pairs])


def inside(platform: Platform, name: str, command: list[str]) -> str:
    """Run a command of this machine with a host's network, or with its own; return its output."""
    enter = ["ip", "netns", "exec", namespace_name(platform.lab.name, name)]
    return subprocess.run(
        [*([] if name == OPERATOR else enter), *command],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    ).stdout
