"""Print docs/rhel9.md: every fact of RHEL 9 that the roles rest on, and how it is tested.

Usage: python -m rhel9.page
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING

from rhel9.claims import Claim, claimed, supports
from rhel9.packages import package_supports, packaged
from rhel9.table import Fact, Part, read_table

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = """\
# RHEL 9: what the roles rest on

Written by `make rhel9` from `molecule/shared/rhel9/facts.yml`. No RHEL 9 host was at hand when this
was written: every name below was read where its source says, and nothing here says that it was seen
on a host of Red Hat's.

*How sure* says where it was read: *primary* is the source itself, *neighbour* is one beside it,
such as Fedora's or an older packaging, a role or a report; *unconfirmed* is neither.

*Tested* says what notices a mistake in a role:

- *contract host*: a package of this name, or with this unit, is built from a spec in `molecule/`,
  and the role is run against it. The package is ours, so that this tests the role and not the fact;
- *unit test*: a role names it, and the tests in `molecule/shared/rhel9` fail when the role and this
  table differ;
- *only reviewed*: no role names it, or no test looks at it.

`make el9-mutations` makes one mistake at a time in the roles' `vars/RedHat.yml` and reports which
ones were noticed. On 2026-11-23 the unit tests noticed all 34, in 78 s. The same mistakes were made
before plays on contract hosts that were converged already (`--mend`, see the program's head): 19 of
the 31 that were tried ended the play. The other twelve name what a host gets once only, such as a
package that is there, and need hosts made anew. A wrong path in MongoDB's repository leaves a file
with which dnf does nothing more: delete `/etc/yum.repos.d/mongodb-org.repo` on the host.

## Contract hosts

`make demo INVENTORY=inventory/el9` and the Molecule scenario `el9` run the roles on hosts that
answer like RHEL 9.7 to Ansible, dnf, rpm and systemd. Below the packages are Debian's programs, so
that they show that the roles use RHEL's names, paths and defaults as the table has them, and not
how RHEL's programs behave. Where they differ: MySQL is MariaDB, without `caching_sha2_password`;
MongoDB is the lab's stand-in, with accounts; Python is 3.11; SELinux is off, and its programs only
note what they were asked.

`make test` runs `site.yml` on such hosts, a second time without a change, and the tests of what a
distribution decides, an order among them; `make el9` runs all tests that the hosts with Debian 13
have, from the same files.

{parts}
## SELinux

It runs neither in the lab nor in CI. Unit tests hold every program that a unit starts, every folder
that it leaves writable and every port that is bound against the lines below; whether the policy of
a host is this one, only `ps -eZ` and `ausearch -m AVC` on it can say.

| domain | role | program, and its type | may write | may bind | `NoNewPrivileges` | source | note |
|---|---|---|---|---|---|---|---|
{domains}

| path | type | source |
|---|---|---|
{contexts}

| TCP ports | type | source |
|---|---|---|
{ports}

| boolean that is switched on | role | source | note |
|---|---|---|---|
{booleans}

## What a host may be like

| where | what the platform does | tested |
|---|---|---|
{conditions}

## Sources

| name | what | where |
|---|---|---|
{sources}
"""

PART = """\
## {name}

{used}

| | name | source | how sure | tested | note |
|---|---|---|---|---|---|
{facts}
"""


def tested(fact: Fact) -> str:
    """Return what notices it when a role says something else than the fact."""
    found = [
        way for way, claims, matches in _claims() if any(matches(fact, claim) for claim in claims)
    ]
    return ", ".join(found) or "only reviewed"


def part(entry: Part) -> str:
    """Return the section of a part."""
    roles = " and ".join(f"`{role}`" for role in entry.roles)
    plural = "roles" if len(entry.roles) > 1 else "role"
    return PART.format(
        name=entry.name if entry.name == "nginx" else entry.name.capitalize(),
        used=f"Used by the {plural} {roles}." if roles else "What contract hosts have beyond that.",
        facts="\n".join(map(_fact, entry.facts)),
    )


def page() -> str:
    """Return the page."""
    table = read_table()
    policy = table.selinux
    return PAGE.format(
        parts="\n".join(map(part, table.parts)),
        domains="\n".join(
            _row(
                f"`{line['domain']}`",
                f"`{line['role']}`",
                f"`{line['program']}`: {_names(line['enters'])}",
                _names(line["writes"]),
                _names(line["binds"]),
                "allowed" if line["nnp"] else "not allowed",
                ", ".join(line["from"]),
                line.get("note", ""),
            )
            for line in policy["domains"]
        ),
        contexts="\n".join(
            _row(f"`{_bars(line['path'])}`", f"`{line['type']}`", ", ".join(line["from"]))
            for line in policy["contexts"]
        ),
        ports="\n".join(
            _row(", ".join(map(str, line["ports"])), f"`{line['type']}`", ", ".join(line["from"]))
            for line in policy["ports"]
        ),
        booleans="\n".join(
            _row(f"`{line['boolean']}`", f"`{line['role']}`", ", ".join(line["from"]), line["note"])
            for line in policy["booleans"]
        ),
        conditions="\n".join(
            _row(line["where"], line["does"], line["tested"]) for line in table.conditions
        ),
        sources="\n".join(
            _row(name, source["title"], source["at"]) for name, source in table.sources.items()
        ),
    )


@cache
def _claims() -> list[tuple[str, list[Claim], Callable[[Fact, Claim], bool]]]:
    return [
        ("contract host", packaged(), package_supports),
        ("unit test", claimed(), supports),
    ]


def _fact(fact: Fact) -> str:
    spans = [
        f"since RHEL {fact.since}" if fact.since else "",
        f"maintained until {fact.until}" if fact.until else "",
        fact.note,
    ]
    return _row(
        fact.kind,
        f"`{fact.value}`",
        ", ".join(fact.sources),
        fact.read,
        tested(fact),
        "; ".join(filter(None, spans)),
    )


def _names(entry: str | list[str]) -> str:
    return entry if isinstance(entry, str) else ", ".join(f"`{name}`" for name in entry)


def _bars(text: str) -> str:
    return text.replace("|", "\\|")


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.stdout.write(page())
