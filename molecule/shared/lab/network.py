"""One bridge per lab, one network namespace per guest, masquerading out of this machine.

All names derive from the lab and the host, so that `remove_network` finds what belongs to a
lab in the kernel itself, whatever was or was not recorded.
"""

import json
from collections.abc import Iterable
from ipaddress import IPv4Network
from pathlib import Path

from lab.command import run
from lab.errors import HostError
from lab.inventory import Host, Lab
from lab.paths import LOCKS, locked, mounts_below

BRIDGE_PREFIX = "lab-"
NETNS = Path("/run/netns")
IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
# Present while forwarding is on only because a lab needed it.
FORWARDING_IS_OURS = LOCKS / "ip_forward"


def bridge_name(lab: str) -> str:
    """Return the name of the lab's bridge."""
    return BRIDGE_PREFIX + lab


def namespace_name(lab: str, host: str) -> str:
    """Return the name of a guest's network namespace (for `ip netns exec`)."""
    return f"lab-{lab}-{host}"


def namespace_path(lab: str, host: str) -> Path:
    """Return where a guest's network namespace is mounted."""
    return NETNS / namespace_name(lab, host)


def guest_namespaces(lab: str) -> set[str]:
    """Return the hosts of a lab that have a network namespace."""
    prefix = namespace_name(lab, "")
    return {path.name.removeprefix(prefix) for path in NETNS.glob(f"{prefix}*")}


def check_subnet(lab: Lab) -> None:
    """Raise HostError where the subnet overlaps an address or route that is not this lab's."""
    bridge = bridge_name(lab.name)
    addresses = json.loads(run(["ip", "-j", "-4", "address", "show"]))
    taken = [
        (IPv4Network(f"{entry['local']}/{entry['prefixlen']}", strict=False), link["ifname"])
        for link in addresses
        for entry in link["addr_info"]
    ]
    routes = json.loads(run(["ip", "-j", "-4", "route", "show"]))
    taken += [
        (IPv4Network(route["dst"]), route.get("dev", "a route"))
        for route in routes
        if route["dst"] != "default" and "/" in route["dst"]
    ]
    for network, device in taken:
        if device == bridge:
            if network != lab.subnet:
                raise HostError(
                    f"lab {lab.name!r} runs with lab_subnet {network}, the inventory says "
                    f"{lab.subnet}: take it down first"
                )
        elif network.overlaps(lab.subnet):
            owner = device
            if device.startswith(BRIDGE_PREFIX):
                owner = f"lab {device.removeprefix(BRIDGE_PREFIX)!r}"
            raise HostError(
                f"lab_subnet {lab.subnet} is in use on this machine: {network} ({owner})"
            )


def dropping_chains() -> list[str]:
    """Return this machine's firewall chains that drop what they do not know when forwarding.

    Docker and some host firewalls make them; no rule elsewhere can overrule them.
    """
    listing = json.loads(run(["nft", "-j", "list", "chains"]))["nftables"]
    chains = [entry["chain"] for entry in listing if "chain" in entry]
    return [
        f"{chain['family']} {chain['table']} {chain['name']}"
        for chain in chains
        if chain.get("hook") == "forward" and chain.get("policy") == "drop"
    ]


def create_network(lab: Lab, guests: Iterable[Host]) -> None:
    """Make the lab's bridge if it is missing, and a fresh namespace for each given guest."""
    with locked("network"):
        _create_bridge(lab)
        _masquerade(lab)
        if IP_FORWARD.read_text(encoding="ascii").strip() == "0":
            FORWARDING_IS_OURS.touch()
            IP_FORWARD.write_text("1", encoding="ascii")
        for guest in guests:
            _create_namespace(lab, guest)


def remove_guest_network(lab: str, host: str) -> None:
    """Delete a guest's namespace and with it its link; nothing happens where there is none."""
    if namespace_path(lab, host).exists():
        # The link first: a namespace lives on while a process is still leaving it.
        name = namespace_name(lab, host)
        links = json.loads(run(["ip", "-n", name, "-j", "link", "show"]))
        if any(link["ifname"] == "eth0" for link in links):
            run(["ip", "-n", name, "link", "delete", "eth0"])
        run(["ip", "netns", "delete", name])


def remove_network(lab: str) -> None:
    """Delete everything of a lab's network; nothing happens where there is none."""
    with locked("network"):
        for host in guest_namespaces(lab):
            remove_guest_network(lab, host)
        links = {link["ifname"] for link in json.loads(run(["ip", "-j", "link", "show"]))}
        if bridge_name(lab) in links:
            run(["ip", "link", "delete", bridge_name(lab)])
        run(["nft", "-f", "-"], text=f"table ip {_table(lab)}\ndelete table ip {_table(lab)}\n")
        if not any(link.startswith(BRIDGE_PREFIX) for link in links - {bridge_name(lab)}):
            _restore_machine()


def _create_bridge(lab: Lab) -> None:
    bridge = bridge_name(lab.name)
    if Path("/sys/class/net", bridge).exists():
        return
    prefix = lab.subnet.prefixlen
    run(
        ["ip", "-batch", "-"],
        text=f"link add {bridge} type bridge\n"
        f"address add {lab.gateway}/{prefix} broadcast + dev {bridge}\n"
        f"link set {bridge} up\n",
    )


def _create_namespace(lab: Lab, guest: Host) -> None:
    """Give a guest its namespace: eth0 with its address, the other end in the bridge."""
    remove_guest_network(lab.name, guest.name)
    name = namespace_name(lab.name, guest.name)
    # An interface name holds 15 characters; the address is unique on this machine and fits.
    link = f"lab{int(guest.address):08x}"
    # The same hardware address each time, or neighbours would send to the old one for a while.
    hardware = "02:4c:" + guest.address.packed.hex(":")
    run(["ip", "netns", "add", name])
    # A namespace begins with this machine's setting; a guest is no router unless it says so.
    run(["ip", "netns", "exec", name, "tee", str(IP_FORWARD)], text="0")
    run(
        ["ip", "-batch", "-"],
        text=f"link add {link} type veth peer name eth0 address {hardware} netns {name}\n"
        f"link set {link} master {bridge_name(lab.name)} alias {lab.name}/{guest.name} up\n",
    )
    run(
        ["ip", "-n", name, "-batch", "-"],
        text="link set lo up\n"
        f"address add {guest.address}/{lab.subnet.prefixlen} broadcast + dev eth0\n"
        "link set eth0 up\n"
        f"route add default via {lab.gateway}\n",
    )


def _table(lab: str) -> str:
    return f"skillupworks_lab_{lab}"


def _masquerade(lab: Lab) -> None:
    """Let guests reach the world with this machine's address; replaces what was there."""
    table = _table(lab.name)
    rules = f"""
        table ip {table}
        delete table ip {table}
        table ip {table} {{
            chain postrouting {{
                type nat hook postrouting priority srcnat
                ip saddr {lab.subnet} ip daddr != {lab.subnet} masquerade
            }}
        }}
    """
    run(["nft", "-f", "-"], text=rules)


def _restore_machine() -> None:
    """Undo what the last lab needed machine-wide."""
    if FORWARDING_IS_OURS.exists():
        IP_FORWARD.write_text("0", encoding="ascii")
        FORWARDING_IS_OURS.unlink()
    if NETNS.is_dir() and not any(NETNS.iterdir()):
        # `ip netns` mounts the directory over itself, on some machines twice.
        for point in mounts_below(NETNS):
            run(["umount", str(point)])
        NETNS.rmdir()
