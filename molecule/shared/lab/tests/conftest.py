"""Labs for the lab's tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.tests.runner import LabRunner


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known wherever these tests run from."""
    config.addinivalue_line("markers", "lab: boots guests of its own; needs root")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say why live tests do not run for anyone but root."""
    if os.geteuid() != 0:
        for item in items:
            if item.get_closest_marker("lab"):
                item.add_marker(pytest.mark.skip(reason="booting guests needs root"))


@pytest.fixture(scope="session")
def selftest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabRunner]:
    """Boot a lab of two hosts for all tests that only look or repair what they break."""
    hosts = {"alpha": "10.77.99.11", "beta": "10.77.99.12"}
    directory = tmp_path_factory.mktemp("selftest")
    lab = LabRunner(directory, "selftest", "10.77.99.0/24", hosts)
    lab.up()
    yield lab
    lab.down()


@pytest.fixture
def neighbour(tmp_path: Path) -> Iterator[LabRunner]:
    """Describe a second lab of one host; it does not run, and is down again after the test."""
    lab = LabRunner(tmp_path, "neighbour", "10.77.98.0/24", {"gamma": "10.77.98.11"})
    yield lab
    lab.down()
