"""Read the hosts of a lab from an Ansible inventory, and refuse what cannot be booted."""

import ipaddress
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from lab.command import run
from lab.errors import CommandError, InventoryError

DEFAULT_IMAGE = "debian-13"
# Becomes the name of a bridge ("lab-NAME", 15 characters at most) and part of others, where
# the dash separates it from the host.
LAB_NAME = re.compile(r"[a-z][a-z0-9]{0,10}")
HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True)
class Host:
    """One host to boot: its name, its address in the lab's subnet, the image it starts from.

    `options` are options for systemd-nspawn beyond those every host gets (`man systemd-nspawn`).
    """

    name: str
    address: IPv4Address
    image: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lab:
    """A named set of hosts on one subnet; the first address of the subnet is the gateway."""

    name: str
    subnet: IPv4Network
    hosts: tuple[Host, ...]

    @property
    def gateway(self) -> IPv4Address:
        """Return the address of this machine inside the lab's network."""
        return self.subnet[1]

    def host(self, name: str) -> Host:
        """Return the host called `name`, or raise InventoryError listing the known ones."""
        for host in self.hosts:
            if host.name == name:
                return host
        known = ", ".join(host.name for host in self.hosts)
        raise InventoryError(f"no host {name!r} in lab {self.name!r} (hosts: {known})")


def read_lab(sources: Sequence[str]) -> Lab:
    """Return the lab that the inventories describe, merged in order as Ansible merges them."""
    for source in sources:
        if not Path(source).exists():
            raise InventoryError(f"inventory {source!r} does not exist")
    tool = Path(sys.executable).with_name("ansible-inventory")
    options = [word for source in sources for word in ("-i", source)]
    try:
        listing = json.loads(run([str(tool), *options, "--list"]))
    except CommandError as error:
        raise InventoryError(f"inventory {', '.join(sources)} is not readable: {error}") from error
    return parse_lab(listing["_meta"]["hostvars"])


def parse_lab(hostvars: Mapping[str, Mapping[str, Any]]) -> Lab:
    """Build a Lab from Ansible's variables per host; InventoryError names what is wrong."""
    if not hostvars:
        raise InventoryError("the inventory has no hosts")
    name = _same_everywhere(hostvars, "lab_name")
    if not LAB_NAME.fullmatch(name):
        raise InventoryError(
            f"lab_name {name!r} must be 1 to 11 small letters and digits, a letter first"
        )
    subnet_text = _same_everywhere(hostvars, "lab_subnet")
    try:
        subnet = ipaddress.IPv4Network(subnet_text)
    except ValueError as error:
        raise InventoryError(f"lab_subnet is not an IPv4 network: {error}") from None
    if subnet.num_addresses < 4:  # noqa: PLR2004 - network, gateway, one host, broadcast
        raise InventoryError(f"lab_subnet {subnet} has no room for a gateway and a host")
    hosts = tuple(_host(host, variables, subnet) for host, variables in hostvars.items())
    owners: dict[IPv4Address, str] = {}
    for host in hosts:
        if host.address in owners:
            raise InventoryError(
                f"hosts {owners[host.address]} and {host.name} have the same "
                f"ansible_host {host.address}"
            )
        owners[host.address] = host.name
    return Lab(name, subnet, hosts)


def _host(name: str, variables: Mapping[str, Any], subnet: IPv4Network) -> Host:
    """Check one host's name and address."""
    if not HOST_NAME.fullmatch(name):
        raise InventoryError(f"host name {name!r} must be 1 to 40 small letters, digits and dashes")
    text = variables.get("ansible_host")
    if text is None:
        raise InventoryError(f"host {name}: ansible_host is missing")
    try:
        address = IPv4Address(str(text))
    except ValueError:
        raise InventoryError(f"host {name}: ansible_host {text!r} is not an IPv4 address") from None
    if address not in subnet:
        raise InventoryError(f"host {name}: ansible_host {address} is outside lab_subnet {subnet}")
    if address in (subnet.network_address, subnet[1], subnet.broadcast_address):
        raise InventoryError(
            f"host {name}: ansible_host {address} is reserved in lab_subnet {subnet} "
            "(network, gateway and broadcast address)"
        )
    options = variables.get("lab_nspawn_options", [])
    if not isinstance(options, list):
        raise InventoryError(f"host {name}: lab_nspawn_options must be a list of options")
    image = str(variables.get("lab_image", DEFAULT_IMAGE))
    return Host(name, address, image, tuple(map(str, options)))


def _same_everywhere(hostvars: Mapping[str, Mapping[str, Any]], variable: str) -> str:
    """Return the value of a variable that every host must share."""
    values = {host: variables.get(variable) for host, variables in hostvars.items()}
    without = [host for host, value in values.items() if value is None]
    if without:
        raise InventoryError(f"{variable} is missing for host {', '.join(without)}")
    texts = {str(value) for value in values.values()}
    if len(texts) > 1:
        raise InventoryError(f"{variable} differs between hosts: {', '.join(sorted(texts))}")
    return texts.pop()
