"""What SELinux's policy says about what the platform's units do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from rhel9.claims import variables
from rhel9.paths import PROJECT
from rhel9.table import read_table

FLOWS = PROJECT / "playbooks" / "group_vars" / "all" / "flows.yml"
# Settings of a unit that name folders, and the folder that they are in.
FOLDERS = {
    "CacheDirectory": "/var/cache/",
    "ConfigurationDirectory": "/etc/",
    "LogsDirectory": "/var/log/",
    "ReadWritePaths": "",
    "RuntimeDirectory": "/run/",
    "StateDirectory": "/var/lib/",
}
# Settings that have systemd set NoNewPrivileges for a unit with a User=: systemd.exec(5).
IMPLIES_NNP = {
    "DynamicUser",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "NoNewPrivileges",
    "PrivateDevices",
    "ProtectClock",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "RestrictAddressFamilies",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "SystemCallArchitectures",
    "SystemCallFilter",
    "SystemCallLog",
}


@dataclass(frozen=True)
class Domain:
    """What a confined service may do; None is everything."""

    name: str
    program: str
    enters: frozenset[str]
    writes: frozenset[str] | None
    reads: frozenset[str] | None
    binds: frozenset[str] | None
    nnp: bool


def domain(role: str) -> Domain:
    """Return the domain that a role's service runs in. Raises KeyError for one without."""
    lines = {line["role"]: line for line in read_table().selinux["domains"]}
    line = lines[role]
    return Domain(
        line["domain"],
        line["program"],
        frozenset(line["enters"]),
        _types(line["writes"]),
        _types(line["reads"]),
        _types(line["binds"]),
        line["nnp"],
    )


def type_of_path(path: str) -> str:
    """Return the type that the policy has for a path; default_t where it has none."""
    types = [
        line["type"]
        for line in read_table().selinux["contexts"]
        if re.fullmatch(line["path"], path.rstrip("/"))
    ]
    return types[-1] if types else "default_t"


def type_of_port(port: int) -> str:
    """Return the type that the policy has for a TCP port; unreserved_port_t where it has none."""
    for line in read_table().selinux["ports"]:
        for entry in line["ports"]:
            first, _, last = str(entry).partition("-")
            if int(first) <= port <= int(last or first):
                return str(line["type"])
    return "unreserved_port_t"


def labelled_ports(role: str) -> dict[int, str]:
    """Return the ports that a role labels itself, with their types."""
    ports: list[dict[str, Any]] = variables(role).get(f"{role}__selinux_ports", [])
    return {entry["port"]: entry["type"] for entry in ports}


def may_bind(role: str, port: int) -> bool:
    """Say whether a role's service may bind a port."""
    binds = domain(role).binds
    return binds is None or labelled_ports(role).get(port, type_of_port(port)) in binds


def may_write(role: str, path: str) -> bool:
    """Say whether a role's service may write a path. A folder of others' files counts as well."""
    writes = domain(role).writes
    return writes is None or type_of_path(path) in writes


def options(unit: str) -> list[tuple[str, str]]:
    """Return the settings of a unit, or of a part of one, in their order."""
    return re.findall(r"^(\w+)=(.*)$", unit, flags=re.MULTILINE)


def executed(unit: str) -> list[str]:
    """Return the programs that a unit starts."""
    return [
        value.split()[0].lstrip("-+!@:")
        for name, value in options(unit)
        if name.startswith("Exec") and value
    ]


def written(unit: str) -> list[str]:
    """Return the paths that a unit lets its service write."""
    return [
        FOLDERS[name] + path.lstrip("-+")
        for name, value in options(unit)
        if name in FOLDERS
        for path in value.split()
    ]


def sets_nnp(unit: str) -> list[str]:
    """Return the settings of a unit with which systemd sets NoNewPrivileges."""
    return [
        name for name, value in options(unit) if name in IMPLIES_NNP and value not in ("", "no")
    ]


def open_ports() -> list[tuple[str, int]]:
    """Return the ports that the firewalls open, with the groups that have them."""
    flows = yaml.safe_load(FLOWS.read_text(encoding="utf-8"))
    return [
        (flow["to"], int(str(flow["port"]).partition("-")[0]))
        for flow in flows["platform_common_flows"]
    ]


def _types(entry: str | list[str]) -> frozenset[str] | None:
    return None if entry == "any" else frozenset(entry)
