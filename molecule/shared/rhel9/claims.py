"""What roles claim of RHEL 9, in vars/RedHat.yml, tasks and templates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import yaml
from jinja2 import Environment, TemplateError

from rhel9.paths import PROJECT, ROLES
from rhel9.table import Fact, Kind, read_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# What a variable's values are, by its name without the role's.
KINDS: dict[str, Kind | None] = {
    "packages": "package",
    "service": "unit",
    "chrony_service": "unit",
    "user": "user",
    "accounts": "path",
    "config": "path",
    "daemon": "path",
    "data": "path",
    "folder": "path",
    "folders.path": "path",
    "nologin": "path",
    "python": "path",
    "server": "path",
    "socket": "path",
    "cli": "command",
    "python_version": "version",
    "root_plugin": "plugin",
    "password_plugin": "plugin",
    "ciphers": "cipher",
    "key": "url",
    "key_folder": "url",
    "repository": "url",
    "repository_hosts": "url",
    "repositories.path": "url",
    "repositories.key": "url",
    # Names that we give, owners and modes, and what is held against the policy and systemd instead.
    "folders.group": None,
    "folders.mode": None,
    "folders.owner": None,
    "repositories.name": None,
    "hardening": None,
    "selinux_booleans": None,
    "selinux_folders": None,
    "selinux_ports": None,
    "selinux_ports.port": None,
    "selinux_ports.type": None,
    "since": None,
    "has_http2": None,
}
# Variables by which an inventory chooses another product or series than a role's default.
CHOICES: dict[str, list[dict[str, str]]] = {
    "app_release": [{"app_release_python_version": "3.11"}],
    "frontend": [{"frontend_nginx_version": "1.24"}],
    "mongodb": [{"mongodb_python_version": "3.11"}],
    "mysql": [{"mysql_version": "8.0"}],
    "redis": [{"redis_engine": "redis"}],
}
# Files and paths of the lab's stand-in for MongoDB, which runs on Debian.
DEBIAN_ONLY = "nx-27017"
# Where a role's files may be.
PLACES = ("tasks/*.yml", "handlers/*.yml", "templates/*.j2", "defaults/main.yml", "vars/main.yml")
ABSOLUTE = re.compile(r"(?<![\w}%/.:])/(?:etc|opt|run|sbin|srv|usr|var)/[\w.@/+-]*[\w]")


@dataclass(frozen=True)
class Claim:
    """That there is something of this kind and name, and who says so."""

    where: str
    kind: Kind
    value: str

    def __str__(self) -> str:
        """Return a line for people."""
        return f"{self.where}: {self.kind} {self.value}"


def roles() -> list[str]:
    """Return the roles that have variables for RHEL."""
    return sorted(path.parents[1].name for path in ROLES.glob("*/vars/RedHat.yml"))


def ways() -> list[tuple[str, dict[str, str]]]:
    """Return each role in each way that it can be used: its defaults, and its choices."""
    return [(role, way) for role in roles() for way in ({}, *CHOICES.get(role, ()))]


def variables(role: str, chosen: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return a role's variables on RHEL with its defaults, or what is chosen, filled in.

    What plain Jinja cannot fill in stays as it is written.
    """
    context: dict[str, Any] = {}
    for name in ("defaults/main.yml", "vars/main.yml", "vars/RedHat.yml"):
        path = ROLES / role / name
        if path.exists():
            context |= yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    context |= chosen or {}
    for _ in range(3):  # as deep as they name each other
        context = {name: render(value, context) for name, value in context.items()}
    return context


def render(value: object, context: dict[str, Any]) -> object:
    """Return a value with its expressions filled in, where plain Jinja can do that."""
    if isinstance(value, dict):
        return {name: render(entry, context) for name, entry in value.items()}
    if isinstance(value, list):
        return [render(entry, context) for entry in value]
    if not isinstance(value, str) or "{{" not in value:
        return value
    try:
        # autoescape is for web pages; these are file names
        text = Environment().from_string(value).render(context)  # noqa: S701
    except TemplateError:
        return value
    return {"True": True, "False": False}.get(text, text)


def claims_of_role(role: str, chosen: Mapping[str, str] | None = None) -> list[Claim]:
    """Return what a role's vars/RedHat.yml claims, with its defaults or what is chosen.

    Raises KeyError for a variable of which nothing says what it holds.
    """
    text = (ROLES / role / "vars" / "RedHat.yml").read_text(encoding="utf-8")
    filled = variables(role, chosen)
    return [
        Claim(f"roles/{role}/vars/RedHat.yml", *_package_or_stream(kind, value))
        for name in yaml.safe_load(text)
        for suffix, value in _leaves(name.removeprefix(f"{role}__"), filled[name])
        if (kind := KINDS[suffix])
    ]


def paths_of_role(role: str) -> list[Claim]:
    """Return the absolute paths that a role's tasks and templates write out."""
    found = {
        (path.relative_to(PROJECT), match)
        for place in PLACES
        for path in (ROLES / role).glob(place)
        if not path.name.startswith(DEBIAN_ONLY)
        for match in ABSOLUTE.findall(_without_comments(path))
        if DEBIAN_ONLY not in match
    }
    return [Claim(str(path), "path", match) for path, match in sorted(found)]


def units_of_role(role: str) -> list[Claim]:
    """Return the units that a role's tasks and handlers name."""
    filled = variables(role)
    return [
        Claim(str(path.relative_to(PROJECT)), "unit", str(render(module["name"], filled)))
        for place in ("tasks/*.yml", "handlers/*.yml")
        for path in sorted((ROLES / role).glob(place))
        if not path.name.startswith(DEBIAN_ONLY)
        for task in yaml.safe_load(path.read_text(encoding="utf-8"))
        for name in ("ansible.builtin.service", "ansible.builtin.systemd_service")
        if (module := task.get(name))
    ]


def supports(fact: Fact, claim: Claim) -> bool:
    """Say whether a claim is what the fact says."""
    if fact.kind != claim.kind:
        return False
    if fact.kind != "path":
        return fact.value == claim.value
    wanted, parts = fact.value.split("/"), claim.value.split("/")
    return len(wanted) == len(parts) and all(map(fnmatchcase, parts, wanted))


def unsupported(role: str, claims: list[Claim]) -> list[Claim]:
    """Return the claims of a role that no fact supports.

    A role with alternatives must claim one of them alone: the fewest are returned.
    """
    return min(
        (
            [claim for claim in claims if not any(supports(fact, claim) for fact in facts)]
            for facts in read_table().of_role(role)
        ),
        key=len,
    )


def claimed() -> list[Claim]:
    """Return what all roles claim in vars/RedHat.yml, tasks and templates."""
    chosen = [claim for role, way in ways() for claim in claims_of_role(role, way)]
    return chosen + [
        claim for role in roles() for claim in (*paths_of_role(role), *units_of_role(role))
    ]


def _leaves(name: str, value: object) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [leaf for key, entry in value.items() for leaf in _leaves(f"{name}.{key}", entry)]
    if isinstance(value, list):
        return [leaf for entry in value for leaf in _leaves(name, entry)]
    return [(name, str(value))] if value not in ("", None) else []


def _package_or_stream(kind: Kind, value: str) -> tuple[Kind, str]:
    return ("stream", value[1:]) if kind == "package" and value.startswith("@") else (kind, value)


def _without_comments(path: Path) -> str:
    text = re.sub(r"\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"^\s*(#|%%|<!--).*$|\s#\s.*$", "", text, flags=re.MULTILINE)
