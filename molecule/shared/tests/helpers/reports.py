"""What is reported with a failed test: hooks of pytest, for the conftest.py of a folder."""

import time
from collections.abc import Generator

import pytest

from tests.helpers.journal import Journal


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failed test what the services wrote to their journals while it ran."""
    report = yield
    platform = getattr(item, "funcargs", {}).get("platform")
    if report.failed and platform is not None:
        started = getattr(item, "started", call.start)
        journal = Journal(platform)

        def tail(host: str) -> str:
            try:
                return journal.tail(host, started)
            except RuntimeError as error:
                return str(error)

        for host, lines in platform.each(platform.names, tail).items():
            if lines:
                report.sections.append((f"journal of {host}", lines))
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember when a test began."""
    item.started = time.time()  # type: ignore[attr-defined]
