"""What the specs of the contract hosts' packages claim of RHEL 9."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from rhel9.claims import Claim, supports
from rhel9.paths import PROJECT, specs

if TYPE_CHECKING:
    from pathlib import Path

    from rhel9.table import Fact, Kind

# What a line of a spec says, by kind.
LINES: list[tuple[Kind, str]] = [
    ("stream", r"^# module: *(\S+)"),
    ("unit", r"_unitdir\}/([\w@-]+)\.service"),
    ("user", r"^%account (\S+)"),
    ("user", r"useradd .* (\S+)$"),
    ("user", r"^User=(\S+)"),
    ("path", r"^ExecStart=(\S+)"),
]
SECTION = re.compile(
    r"^%(?:files|package|description|install|build|prep|pre|post|preun|postun|changelog)\b"
)
FOLDERS = ("/etc/", "/var/", "/usr/")


def claims_of_spec(path: Path) -> list[Claim]:
    """Return what a package's spec claims.

    Those are the names of the packages that it makes, with their version as `name-version`, its
    streams, units, users, what its units start, and the paths that its lists of files write out.
    """
    text = path.read_text(encoding="utf-8")
    where = str(path.relative_to(PROJECT))
    claims = [Claim(where, "package", f"{name}-{_tag(text, 'Version')}") for name in _made(text)]
    claims += [
        Claim(where, kind, name)
        for kind, pattern in LINES
        for name in re.findall(pattern, text, flags=re.MULTILINE)
    ]
    claims += [Claim(where, "path", line) for line in _files(text)]
    return list(dict.fromkeys(claims))


def facts_of_spec(path: Path) -> list[str]:
    """Return the facts that a spec says that it rests on."""
    return re.findall(r"^# fact: *(.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)


def packaged() -> list[Claim]:
    """Return what all specs claim."""
    return [claim for path in specs() for claim in claims_of_spec(path)]


def package_supports(fact: Fact, claim: Claim) -> bool:
    """Say whether a spec's claim is what the fact says.

    A package's version counts where the fact has one; a stream has no profile in a spec.
    """
    if claim.kind == fact.kind == "package":
        name = claim.value.rpartition("-")[0]
        return fact.value == name or ("*" in fact.value and fnmatchcase(claim.value, fact.value))
    if claim.kind == fact.kind == "stream":
        return fact.value.partition("/")[0] == claim.value
    return supports(fact, claim)


def _made(text: str) -> list[str]:
    """Return the packages that are made: those that have a list of files."""
    name = _tag(text, "Name")
    found = re.findall(r"^%files *(?:-f +\S+)? *(?:(-n) +)?([\w.+-]+)?", text, flags=re.MULTILINE)
    return [suffix if flag else "-".join(filter(None, (name, suffix))) for flag, suffix in found]


def _files(text: str) -> list[str]:
    """Return the paths that lists of files write out."""
    paths, inside = [], False
    for line in text.splitlines():
        if SECTION.match(line):
            inside = line.startswith("%files")
        elif inside and line and (path := line.split()[-1]).startswith(FOLDERS):
            paths.append(path)
    return paths


def _tag(text: str, name: str) -> str:
    found = re.search(rf"^{name}: *(\S+)", text, flags=re.MULTILINE)
    return found[1] if found else ""
