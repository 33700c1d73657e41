"""The table of facts, molecule/shared/rhel9/facts.yml."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from itertools import chain, product
from typing import Any, Literal, get_args

import yaml

from rhel9.paths import TABLE

Kind = Literal[
    "package",
    "stream",
    "unit",
    "user",
    "path",
    "url",
    "command",
    "plugin",
    "service",
    "version",
    "cipher",
]
Read = Literal["primary", "neighbour", "unconfirmed"]


@dataclass(frozen=True)
class Fact:
    """One thing that is true of RHEL 9: that there is a package of this name, for example."""

    kind: Kind
    value: str
    sources: tuple[str, ...]
    read: Read
    since: str = ""
    until: str = ""
    note: str = ""


@dataclass(frozen=True)
class Part:
    """What belongs together, a database for example, and the roles that rest on it.

    Of several parts with the same `choice` a role may use one.
    """

    name: str
    choice: str
    roles: tuple[str, ...]
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Table:
    """All of it."""

    sources: dict[str, dict[str, str]]
    parts: tuple[Part, ...]
    selinux: dict[str, list[dict[str, Any]]] = field(repr=False)
    conditions: tuple[dict[str, str], ...]

    def of_role(self, role: str) -> list[list[Fact]]:
        """Return what a role may rest on: a list for each way in which it can choose."""
        choices: dict[str, list[tuple[Fact, ...]]] = {}
        for part in self.parts:
            if role in part.roles:
                choices.setdefault(part.choice, []).append(part.facts)
        return [list(chain(*facts)) for facts in product(*choices.values())]


@cache
def read_table() -> Table:
    """Read the table. Raises ValueError for a fact that is not of the form its comment says."""
    content = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    parts = tuple(
        Part(
            part["part"],
            part.get("choice", part["part"]),
            tuple(part["roles"]),
            tuple(_fact(entry) for entry in part["facts"]),
        )
        for part in content["parts"]
    )
    table = Table(content["sources"], parts, content["selinux"], tuple(content["conditions"]))
    cited = {source for part in parts for fact in part.facts for source in fact.sources}
    cited |= {
        source for lines in table.selinux.values() for line in lines for source in line["from"]
    }
    if cited != set(table.sources):
        raise ValueError(f"{TABLE}: sources and what cites them: {cited ^ set(table.sources)}")
    return table


def _fact(entry: dict[str, Any]) -> Fact:
    kinds = [kind for kind in get_args(Kind) if kind in entry]
    unknown = set(entry) - {*kinds, "from", "read", "since", "until", "note"}
    if len(kinds) != 1 or unknown or entry["read"] not in get_args(Read) or not entry["from"]:
        raise ValueError(f"{TABLE}: {entry}")
    return Fact(
        kinds[0],
        entry[kinds[0]],
        tuple(entry["from"]),
        entry["read"],
        entry.get("since", ""),
        str(entry.get("until", "")),
        entry.get("note", ""),
    )
