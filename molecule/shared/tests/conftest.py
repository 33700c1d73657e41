"""What all tests of live hosts have in common. See helpers/ for what the fixtures can do."""

import pytest

from tests.helpers.fixtures import (
    broker,
    database,
    journal,
    parts,
    payment,
    platform,
    processors,
    shop,
)
from tests.helpers.hosts import Platform
from tests.helpers.reports import pytest_runtest_makereport, pytest_runtest_setup

# for pytest to find here
__all__ = [
    "broker",
    "database",
    "journal",
    "parts",
    "payment",
    "platform",
    "processors",
    "pytest_runtest_makereport",
    "pytest_runtest_setup",
    "shop",
]

# From what only looks to what takes the most apart; files that are not here come first.
LATE = (
    "tests/test_settings",
    "tests/test_faults_",
    "faults/",
    "tests/test_deployment",
    "tests/test_tls",
    "tests/test_check_mode",
    "tests/test_reboot",
)

# What the distribution's packages, units and paths decide, and one order through all of it.
SYSTEM = {
    f"test_{name}.py"
    for name in (
        "broker",
        "check_mode",
        "database",
        "firewall",
        "hosts",
        "mongodb",
        "operator_tools",
        "passwords",
        "place_order",
        "redis",
        "reboot",
        "seed_chapter",
        "services",
    )
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests, and run those that disturb the platform last."""
    for item in items:
        item.add_marker("hosts")
        if item.path.name in SYSTEM:
            item.add_marker("system")
    items.sort(
        key=lambda item: next(
            (
                place
                for place, prefix in enumerate(LATE, start=1)
                if f"{item.path.parent.name}/{item.path.name}".startswith(prefix)
            ),
            0,
        )
    )


@pytest.fixture(scope="session", autouse=True)
def _hosts_answer(platform: Platform) -> None:
    """End the run here when a host is down."""
    assert platform.names
