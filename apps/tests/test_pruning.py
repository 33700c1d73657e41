"""The inbox is pruned a little at a time, and a failure ends neither the thread nor the service."""

from typing import Any, cast

import pytest

from skillupworks.reliability import pruning
from skillupworks.reliability.pruning import LIMIT, InboxPruner
from skillupworks.runtime.database import Database

from .reliability_stubs import MemoryDatabase
from .waiting import wait_until


@pytest.fixture
def database() -> MemoryDatabase:
    """Return a database without rows."""
    return MemoryDatabase()


@pytest.fixture
def pruner(database: MemoryDatabase, monkeypatch: pytest.MonkeyPatch) -> InboxPruner:
    """Return a pruner that makes no pauses."""
    monkeypatch.setattr(pruning, "FIRST_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(pruning, "INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(pruning, "PAUSE_SECONDS", 0.0)
    return InboxPruner(cast("Database", database), "order-processor", 30)


def test_old_messages_are_pruned_in_small_transactions(
    pruner: InboxPruner, database: MemoryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = 2 * LIMIT + 7
    asked: list[tuple[object, ...]] = []

    def prune(_cursor: object, *arguments: object) -> int:
        nonlocal left
        asked.append(arguments)
        pruned = min(left, LIMIT)
        left -= pruned
        return pruned

    monkeypatch.setattr(pruning, "prune", prune)

    assert pruner.prune() == 2 * LIMIT + 7
    assert asked == [("order-processor", 30, LIMIT)] * 3
    assert database.commits == 3


def test_it_goes_on_after_the_database_was_away(
    pruner: InboxPruner,
    database: MemoryDatabase,
    monkeypatch: pytest.MonkeyPatch,
    events: list[Any],
) -> None:
    monkeypatch.setattr(pruning, "prune", lambda *_: 5)
    database.problem = "MySQL: away"
    pruner.start()
    wait_until(lambda: bool(events))
    database.problem = None
    wait_until(lambda: any("Pruned 5 messages" in event["event"] for event in events))
    pruner.stop()

    assert events[0]["event"] == "The inbox was not pruned: MySQL: away"
