"""What the specs of the contract hosts' packages claim of RHEL 9."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rhel9.claims import Claim
from rhel9.paths import PROJECT, specs

if TYPE_CHECKING:
    from pathlib import Path

UNIT = re.compile(r"(?:%\{_unitdir\}|/usr/lib/systemd/system)/([\w-]+)\.service")


def claims_of_spec(path: Path) -> list[Claim]:
    """Return what a package's spec claims: the names of the package and of its units."""
    text = path.read_text(encoding="utf-8")
    where = str(path.relative_to(PROJECT))
    names = re.findall(r"^Name: *(\S+)", text, flags=re.MULTILINE)
    files = text.partition("\n%files")[2].partition("\n%changelog")[0]
    return [
        *(Claim(where, "package", name) for name in names),
        *(Claim(where, "unit", name) for name in UNIT.findall(files)),
    ]


def facts_of_spec(path: Path) -> list[str]:
    """Return the facts that a spec says that it rests on."""
    return re.findall(r"^# fact: *(.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)


def packaged() -> list[Claim]:
    """Return what all specs claim."""
    return [claim for path in specs() for claim in claims_of_spec(path)]
