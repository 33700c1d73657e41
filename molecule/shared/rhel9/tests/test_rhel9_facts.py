"""Every name and path of RHEL 9 that roles and test packages rest on is in the table of facts."""

import re
from pathlib import Path

import pytest

from rhel9.claims import (
    claims_of_role,
    paths_of_role,
    roles,
    units_of_role,
    unsupported,
    ways,
)
from rhel9.packages import claims_of_spec, facts_of_spec, package_supports
from rhel9.paths import specs
from rhel9.table import read_table

# What the platform puts on a host itself, wherever it runs.
OURS = ("/etc/skillupworks", "/opt/skillupworks", "/opt/mongodb-tools", "/var/log/skillupworks")
# The same on every Linux with systemd.
EVERYWHERE = (
    "/etc/hosts",
    "/etc/sysctl.d/",
    "/etc/systemd/system",
    "/etc/systemd/journald.conf.d",
    "/usr/share/zoneinfo",
)


@pytest.mark.parametrize(("role", "chosen"), ways(), ids=lambda each: str(each) if each else "")
def test_what_a_role_says_of_rhel_is_a_fact(role: str, chosen: dict[str, str]) -> None:
    """Given vars/RedHat.yml, every package, unit, user, path and address in it is in the table.

    So it is for each product or series that an inventory may choose.
    """
    claims = claims_of_role(role, chosen)
    assert claims
    assert not [str(claim) for claim in unsupported(role, claims)]


@pytest.mark.parametrize("role", roles())
def test_paths_in_tasks_and_templates_are_facts(role: str) -> None:
    """Given the rest of a role, a path in it is in the table, or our own, or on every Linux."""
    claims = [
        claim for claim in paths_of_role(role) if not claim.value.startswith(OURS + EVERYWHERE)
    ]
    assert not [str(claim) for claim in unsupported(role, claims)]


@pytest.mark.parametrize("role", roles())
def test_units_in_tasks_are_facts(role: str) -> None:
    """Given a role's tasks, a unit that they start or restart is in the table, or systemd's own."""
    claims = [claim for claim in units_of_role(role) if not claim.value.startswith("systemd-")]
    assert not [str(claim) for claim in unsupported(role, claims) if "{{" not in claim.value]


def test_no_part_has_a_fact_twice() -> None:
    """Given the table, the facts of a part differ in kind or value."""
    for part in read_table().parts:
        values = [(fact.kind, fact.value) for fact in part.facts]
        assert len(values) == len(set(values)), part.name


def test_conditions_name_tests_that_there_are() -> None:
    """Given what the page says to be tested, the tests that it names are beside this one."""
    there = "".join(path.name + path.read_text() for path in Path(__file__).parent.glob("*.py"))
    named = [
        name
        for condition in read_table().conditions
        for name in re.findall(r"`(test_\w+)", condition["tested"])
    ]
    assert named
    assert [name for name in named if name not in there] == []


SPECS = [pytest.param(path, id=path.stem) for path in specs()] or [
    pytest.param(None, id="none", marks=pytest.mark.skip("there are no package specs"))
]


@pytest.mark.parametrize("spec", SPECS)
def test_a_package_rests_on_facts(spec: Path) -> None:
    """Given a contract host's package, its claims are in the table, and it says its facts."""
    facts = [fact for part in read_table().parts for fact in part.facts]
    assert facts_of_spec(spec)
    assert not [
        str(claim)
        for claim in claims_of_spec(spec)
        if not any(package_supports(fact, claim) for fact in facts)
    ]
