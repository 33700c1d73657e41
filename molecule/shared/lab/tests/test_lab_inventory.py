"""An inventory either describes a lab completely or is refused by the variable's name."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.errors import InventoryError
from lab.inventory import parse_lab, read_lab
from lab.tests.runner import write_inventory

INVENTORIES = Path(__file__).parents[4] / "inventory"
LABS = [INVENTORIES / name for name in ("lab", "single", "one-vm-per-service")]


def hosts(**changes: Any) -> dict[str, dict[str, Any]]:
    """Two good hosts, the second with changes; a change to None removes the variable."""
    good = {"lab_name": "selftest", "lab_subnet": "10.77.99.0/24"}
    second = {**good, "ansible_host": "10.77.99.12", **changes}
    return {
        "alpha": {**good, "ansible_host": "10.77.99.11"},
        "beta": {name: value for name, value in second.items() if value is not None},
    }


def test_a_complete_inventory_becomes_a_lab() -> None:
    """Given name, subnet and an address per host, the gateway is the subnet's first address."""
    lab = parse_lab(hosts(lab_image="debian-12", lab_nspawn_options=["--bind=/srv"]))

    assert (lab.name, str(lab.subnet), str(lab.gateway)) == (
        "selftest",
        "10.77.99.0/24",
        "10.77.99.1",
    )
    assert [(host.name, str(host.address), host.image) for host in lab.hosts] == [
        ("alpha", "10.77.99.11", "debian-13"),
        ("beta", "10.77.99.12", "debian-12"),
    ]
    assert lab.host("beta").options == ("--bind=/srv",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lab_subnet": None}, "lab_subnet is missing for host beta"),
        ({"lab_name": None}, "lab_name is missing for host beta"),
        ({"lab_subnet": "10.77.98.0/24"}, "lab_subnet differs between hosts"),
        ({"ansible_host": None}, "host beta: ansible_host is missing"),
        ({"ansible_host": "beta.example"}, "host beta: ansible_host 'beta.example' is not an IPv4"),
        ({"ansible_host": "10.77.98.12"}, "host beta: ansible_host 10.77.98.12 is outside"),
        ({"ansible_host": "10.77.99.1"}, "host beta: ansible_host 10.77.99.1 is reserved"),
        ({"ansible_host": "10.77.99.255"}, "host beta: ansible_host 10.77.99.255 is reserved"),
        ({"ansible_host": "10.77.99.11"}, "hosts alpha and beta have the same ansible_host"),
        ({"lab_nspawn_options": "--bind=/srv"}, "host beta: lab_nspawn_options must be a list"),
    ],
)
def test_a_wrong_variable_is_named(changes: dict[str, Any], message: str) -> None:
    """Given one wrong or missing variable, the error names host and variable."""
    with pytest.raises(InventoryError, match=message):
        parse_lab(hosts(**changes))


@pytest.mark.parametrize("name", ["", "Demo", "a-b", "1lab", "muchtoolongname", "x/../y"])
def test_a_lab_name_that_cannot_name_a_bridge_is_refused(name: str) -> None:
    """Given a name that is no part of an interface's or a path's name, it is refused."""
    with pytest.raises(InventoryError, match="lab_name"):
        parse_lab({"alpha": {"lab_name": name, "lab_subnet": "10.77.99.0/24"}})


@pytest.mark.parametrize("subnet", ["10.77.99.0/31", "10.77.99.1/24", "everywhere", "fd00::/64"])
def test_a_subnet_without_room_or_sense_is_refused(subnet: str) -> None:
    """Given a subnet that cannot hold a gateway and a host, it is refused."""
    with pytest.raises(InventoryError, match="lab_subnet"):
        parse_lab({"alpha": {"lab_name": "selftest", "lab_subnet": subnet}})


@pytest.mark.parametrize("name", ["Alpha", "alpha.example", "../alpha", "a" * 41])
def test_a_host_name_that_cannot_be_a_host_name_is_refused(name: str) -> None:
    """Given a name that is no host name (or a path), it is refused before anything is made."""
    variables = {
        "lab_name": "selftest",
        "lab_subnet": "10.77.99.0/24",
        "ansible_host": "10.77.99.2",
    }
    with pytest.raises(InventoryError, match="host name"):
        parse_lab({name: variables})


def test_an_empty_inventory_is_refused() -> None:
    """Given no host at all, nothing is booted and the text says why."""
    with pytest.raises(InventoryError, match="no hosts"):
        parse_lab({})


def test_an_unknown_host_is_answered_with_the_known_ones() -> None:
    """Given a name that is not in the inventory, the error lists those that are."""
    with pytest.raises(InventoryError, match=r"'gamma' in lab 'selftest' \(hosts: alpha, beta\)"):
        parse_lab(hosts()).host("gamma")


def test_a_later_inventory_overrides_an_earlier_one(tmp_path: Path) -> None:
    """Given two inventories, Ansible merges them and the lab sees the result."""
    first = write_inventory(tmp_path, "first", "10.77.99.0/24", {"alpha": "10.77.99.11"})
    second = write_inventory(tmp_path, "second", "10.77.98.0/24", {"alpha": "10.77.98.11"})

    lab = read_lab([str(first), str(second)])

    assert (lab.name, str(lab.subnet)) == ("second", "10.77.98.0/24")
    assert [str(host.address) for host in lab.hosts] == ["10.77.98.11"]


def test_the_labs_of_this_project_differ_only_in_who_does_what() -> None:
    """Given all of them at once, neither names nor networks collide, and no service is missing."""
    labs = [read_lab([str(path)]) for path in LABS]
    assert len({lab.name for lab in labs}) == len(labs)
    assert not any(one.subnet.overlaps(other.subnet) for one, other in combinations(labs, 2))
    assert [len(lab.hosts) for lab in labs] == [5, 1, 11]
    groups = [
        set(yaml.safe_load((path / "hosts.yml").read_text())["all"]["children"]) for path in LABS
    ]
    assert groups == [groups[0]] * len(labs)


def test_an_inventory_that_is_not_there_is_named() -> None:
    """Given a wrong path, the error says which one."""
    with pytest.raises(InventoryError, match="inventory '/nowhere' does not exist"):
        read_lab(["/nowhere"])
