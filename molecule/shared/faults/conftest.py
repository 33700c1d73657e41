"""The suite's options, the scene of each test, and the report at the end."""

import inspect
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.environment import describe_platform
from faults.records import peek_parked
from faults.report import page
from faults.rest import empty_dead_letters, heal
from faults.results import forget, load, rows, save, text_table
from faults.scene import Fault, Outcome, Scene
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
from tests.helpers.parts import Parts
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

RESULTS = Path(__file__).with_name("results")
OUTCOMES = pytest.StashKey[list[Outcome]]()
# all faults that were found, also those that are not selected
FAULTS = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that `make faults` gives."""
    group = parser.getgroup("faults")
    group.addoption("--seeds", default="1", help="how many seeds (3), or which (7-9)")
    group.addoption("--report", type=Path, help="the page to write from all results there are")


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the place where runs are collected."""
    config.stash[OUTCOMES] = []
    config.stash[FAULTS] = []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each fault with each seed."""
    if "seed" in metafunc.fixturenames:
        first, _, last = str(metafunc.config.getoption("--seeds")).rpartition("-")
        seeds = range(int(first or 1), int(last) + 1)
        metafunc.parametrize("seed", seeds, ids=[f"seed{seed}" for seed in seeds])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note which faults there are, before some are left out."""
    faults = [_fault(item).name for item in items if item.get_closest_marker("fault")]
    config.stash[FAULTS] = list(dict.fromkeys(faults))


@pytest.fixture(scope="session", name="folder")
def _folder(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where runs are written: kept for a report, otherwise not."""
    if pytestconfig.getoption("--report") is None:
        return tmp_path_factory.mktemp("faults")
    RESULTS.mkdir(exist_ok=True)
    return RESULTS


@pytest.fixture(scope="session", name="environment")
def _environment(parts: Parts) -> dict[str, str]:
    """Leave nothing of an earlier run; return what the platform runs on."""
    heal(parts)
    return describe_platform(parts)


@pytest.fixture
def scene(
    request: pytest.FixtureRequest,
    parts: Parts,
    environment: dict[str, str],
    folder: Path,
    seed: int,
) -> Iterator[Scene]:
    """Return what a fault's test is given; afterwards nothing of the fault is left."""
    fault = _fault(request.node)
    forget(folder, fault.name, seed)
    scene = Scene(parts, fault, seed, folder)
    try:
        yield scene
    finally:
        if scene.outcome is not None:
            save(scene.outcome, folder, environment)
            request.config.stash[OUTCOMES].append(scene.outcome)
        heal(parts)
        if scene.rested and (parked := peek_parked(parts.broker)):
            kept = json.dumps(parked, indent=1, ensure_ascii=False)
            (folder / f"{fault.name}-{seed}.parked").write_text(kept, encoding="utf-8")
            empty_dead_letters(parts)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table of this run, and write the page of all runs."""
    order = config.stash[FAULTS]
    if outcomes := config.stash[OUTCOMES]:
        terminalreporter.section("faults")
        table = rows((outcome.as_json() for outcome in outcomes), order)
        terminalreporter.write_line(text_table(table))
    path = config.getoption("--report")
    if path is not None and (runs := load(RESULTS)):
        path.write_text(page(runs, order), encoding="utf-8")
        terminalreporter.write_line(f"\n{path} is written from {len(runs)} runs in {RESULTS}")


def _fault(item: pytest.Item) -> Fault:
    assert isinstance(item, pytest.Function)
    marker = item.get_closest_marker("fault")
    assert marker is not None
    description = inspect.cleandoc(item.function.__doc__ or "")
    return Fault(item.originalname.removeprefix("test_"), marker.args[0], description)
