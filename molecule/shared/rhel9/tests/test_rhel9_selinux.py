"""What units execute, write and bind is what SELinux's policy, and the labels of roles, allow."""

import re
from typing import Any

import pytest
import yaml

from rhel9.claims import variables
from rhel9.paths import ROLES
from rhel9.policy import (
    domain,
    executed,
    labelled_ports,
    may_bind,
    may_write,
    open_ports,
    sets_nnp,
    type_of_path,
    type_of_port,
    written,
)
from rhel9.table import read_table
from rhel9.templates import rendered

CONFINED = ["frontend", "mysql", "redis", "mongodb", "rabbitmq"]
GUARD = "ansible_facts['selinux']['status'] | default('disabled') == 'enabled'"
# A service of the platform with all that a unit can have.
SERVICE: dict[str, Any] = {
    "replica": 1,
    "app_service_name": "payment",
    "app_service_secrets": {"REDIS_PASS": "x"},
    "app_service_environment": {"HTTP_LISTEN": "10.0.0.1"},
}


# What roles write of units, by the role whose domain the service is in.
UNITS = {
    "app_service": ("app_service", "service.unit.j2"),
    "frontend": ("frontend", "unit.conf.j2"),
    "redis": ("redis", "unit.conf.j2"),
    "mongodb": ("mongodb", "unit.conf.j2"),
    "rabbitmq": ("rabbitmq", "limits.conf.j2"),
}


def unit(role: str) -> str:
    """Return what roles write of the unit of a service; nothing where that is the package's."""
    if role not in UNITS:
        return ""
    return rendered(*UNITS[role], **(SERVICE if role == "app_service" else {}))


def lab_unit() -> str:
    """Return the unit of the lab's stand-in for MongoDB, which may be chosen on RHEL as well."""
    values = {"mongodb__tools": "/opt/mongodb-tools/x", "mongodb_data_directory": "/var/lib/x"}
    return rendered("mongodb", "nx-27017.service.j2", **values)


def settings(role: str, name: str) -> str:
    """Return a service's settings, with TLS where there is a choice."""
    return rendered(role, name, frontend_tls="selfsigned", frontend_upstreams={})


def bound() -> list[tuple[str, int]]:
    """Return the ports that services bind, from their settings and the table of open ports."""
    ports = {
        "frontend": re.findall(r"listen (\d+)", settings("frontend", "nginx.conf.j2")),
        "redis": re.findall(r"^port (\d+)", settings("redis", "redis.conf.j2"), re.MULTILINE),
        "mongodb": re.findall(r"port: (\d+)", settings("mongodb", "mongod.conf.j2")),
        # Its plugins' own ports: management, and the metrics.
        "rabbitmq": ["5672", "15672", "15692", "25672", "4369"],
        "mysql": ["3306"],
    }
    assert all(ports.values())
    own = {(role, int(port)) for role, entries in ports.items() for port in entries}
    return sorted(own | {(role, port) for role, port in open_ports() if role in CONFINED})


@pytest.mark.parametrize(("role", "port"), bound())
def test_a_service_may_bind_its_port(role: str, port: int) -> None:
    """Given a port that a confined service binds, its type is one that the domain may bind."""
    assert may_bind(role, port)


@pytest.mark.parametrize("role", CONFINED)
def test_a_role_labels_no_port_in_vain(role: str) -> None:
    """Given the ports that a role labels, the policy's own type for each would not do."""
    for port in labelled_ports(role):
        assert type_of_port(port) not in (domain(role).binds or set())


@pytest.mark.parametrize("role", [*CONFINED, "app_service"])
def test_the_program_leads_into_the_domain(role: str) -> None:
    """Given a service's program, it has a type from which systemd enters the service's domain."""
    assert type_of_path(domain(role).program) in domain(role).enters


@pytest.mark.parametrize("text", [unit("app_service"), lab_unit()], ids=["service", "nx-27017"])
def test_what_units_of_the_platform_execute_is_below_opt(text: str) -> None:
    """Given a unit of the platform's own, what it executes has a type that systemd may execute."""
    programs = executed(text)
    assert programs
    assert {type_of_path(program) for program in programs} <= domain("app_service").enters


def test_every_unit_is_looked_at() -> None:
    """Given the roles' templates, each that has a section of a unit is one of those above."""
    known = {f"{role}/templates/{name}" for role, name in UNITS.values()}
    found = {
        str(path.relative_to(ROLES))
        for path in ROLES.glob("*/templates/*")
        if "[Service]" in path.read_text(encoding="utf-8")
    }
    assert found == known | {"mongodb/templates/nx-27017.service.j2"}


@pytest.mark.parametrize("role", [*CONFINED, "app_service"])
def test_units_let_services_write_what_the_policy_lets_them_write(role: str) -> None:
    """Given the folders that a unit leaves writable, the domain may write them, or what is in them.

    /run is that of all services: each has files or folders of a type of its own in it.
    """
    folders = [path for path in written(unit(role)) if path != "/run"]
    assert [path for path in folders if not may_write(role, path)] == []


@pytest.mark.parametrize(
    ("role", "name", "pattern"),
    [
        ("frontend", "nginx.conf.j2", r"^ *(?:pid|error_log|access_log) (/[^ ;]+)"),
        ("redis", "redis.conf.j2", r"^dir (/\S+)"),
        ("mongodb", "mongod.conf.j2", r"(?:dbPath|path): (/\S+)"),
    ],
)
def test_services_may_write_what_their_settings_say(role: str, name: str, pattern: str) -> None:
    """Given the folders and files that settings name to be written, the domain may write them."""
    found = re.findall(pattern, settings(role, name), re.MULTILINE)
    assert found
    assert [path for path in found if not may_write(role, path)] == []


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("frontend", "/etc/nginx/nginx.conf"),
        ("frontend", variables("frontend")["frontend__tls"] + "/key.pem"),
        ("frontend", variables("frontend")["frontend__root"] + "/index.html"),
        ("mysql", variables("mysql")["mysql__config"]),
        ("redis", variables("redis")["redis__config"]),
        ("redis", variables("redis")["redis__accounts"]),
        ("mongodb", "/etc/mongod.conf"),
        ("rabbitmq", "/etc/rabbitmq/rabbitmq.conf"),
    ],
)
def test_services_may_read_what_roles_write(role: str, path: str) -> None:
    """Given a file that a role writes for a confined service, the domain may read its type."""
    reads = domain(role).reads
    assert reads is None or type_of_path(path) in reads


@pytest.mark.parametrize("role", [*CONFINED, "app_service"])
def test_no_unit_keeps_its_service_in_the_domain_of_systemd(role: str) -> None:
    """Given a domain that cannot be entered with NoNewPrivileges, nothing in the unit sets it."""
    assert domain(role).nnp or sets_nnp(unit(role)) == []


def test_a_folder_for_data_of_an_operators_choice_gets_its_type() -> None:
    """Given another folder for MongoDB's data, the role has a type for it that it may write."""
    text = (ROLES / "mongodb/vars/RedHat.yml").read_text(encoding="utf-8")
    types = re.findall(r"'type': '(\w+)'", text)
    assert types == [
        type_of_path(variables("mongodb")["mongodb_data_directory"] or "/var/lib/mongo")
    ]
    assert set(types) <= (domain("mongodb").writes or set())


def test_booleans_that_a_domain_needs_are_switched_on() -> None:
    """Given the booleans of the table, the role has each, and no role has another one."""
    wanted = {(line["role"], line["boolean"]) for line in read_table().selinux["booleans"]}
    found = {
        (path.parents[1].name, boolean)
        for path in ROLES.glob("*/vars/RedHat.yml")
        for name, entries in yaml.safe_load(path.read_text(encoding="utf-8")).items()
        if name.endswith("__selinux_booleans")
        for boolean in entries
    }
    assert found == wanted


@pytest.mark.parametrize(
    "path", sorted(ROLES.glob("*/tasks/*.yml")), ids=lambda p: p.parents[1].name
)
def test_selinux_is_only_spoken_to_where_it_is_enabled(path: Any) -> None:
    """Given tasks that include the role selinux, each has the guard; no other role has a module."""
    tasks = yaml.safe_load(path.read_text(encoding="utf-8"))
    included = [
        task
        for task in tasks
        if task.get("ansible.builtin.include_role", {}).get("name") == "selinux"
    ]
    assert all(task["when"] == GUARD for task in included)
    if path.parents[1].name != "selinux":
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"sefcontext|seport|seboolean|restorecon|semanage|setenforce", text)
