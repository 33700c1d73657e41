"""The table of allowed flows, as each host's firewall is made from it."""

import ipaddress
from collections.abc import Mapping
from typing import Any

from tests.helpers.ansible import variable

SSH_PORT = 22

# host → what it lets in
Openings = Mapping[str, list[dict[str, Any]]]


def read_openings() -> Openings:
    """Return each host's openings as Ansible resolves them from the table of flows."""
    found: Openings = variable("base_firewall_openings")
    return found


def open_to(openings: list[dict[str, Any]], address: str) -> set[int]:
    """Return a host's ports that are open to an address, SSH's among them."""
    allowed = (opening for opening in openings if within(address, opening["from"]))
    return {SSH_PORT}.union(*map(port_range, allowed))


def port_range(opening: Mapping[str, Any]) -> set[int]:
    """Return the ports of an opening, which is one port or `first-last`."""
    first, _, last = str(opening["port"]).partition("-")
    return set(range(int(first), int(last or first) + 1))


def within(address: str, sources: list[str]) -> bool:
    """Say whether an address is one of the sources, or in one of their networks."""
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(source) for source in sources)
