"""Effects are delivered until their back end has taken them, and no failure stops the others."""

import random
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from skillupworks.errors import BackEndUnavailableError, PermanentError, TransientError
from skillupworks.reliability import effect_runner as runner_module
from skillupworks.reliability.back_end import EffectMetrics, Lane
from skillupworks.reliability.effect_runner import EffectRunner
from skillupworks.reliability.effects import EffectTable
from skillupworks.runtime.database import Database

from .effect_stubs import MemoryBackEnd, MemoryEffects
from .reliability_stubs import MemoryDatabase
from .waiting import wait_until

AWAY = BackEndUnavailableError("mail server mail-1:25: Connection refused")
TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"


class Surroundings:
    """A runner of e-mails, and of notices to the warehouse, with everything in memory."""

    def __init__(self) -> None:
        self.database = MemoryDatabase()
        self.emails, self.mail = MemoryEffects(), MemoryBackEnd("mail sent")
        self.notices, self.warehouse = MemoryEffects(), MemoryBackEnd("notice sent")
        self.registry = CollectorRegistry()
        metrics = EffectMetrics(self.registry)
        lanes = [
            Lane("email", self.mail, metrics, cast("EffectTable", self.emails)),
            Lane("warehouse", self.warehouse, metrics, cast("EffectTable", self.notices)),
        ]
        self.runner = EffectRunner(lanes, cast("Database", self.database))

    def wait_for(self, condition: Callable[[], object]) -> None:
        def woken() -> bool:
            self.runner.wake()
            return bool(condition())

        wait_until(woken)

    def fail_again(self) -> None:
        attempts = len(self.emails.pauses)
        self.emails.due_again()
        self.wait_for(lambda: len(self.emails.pauses) > attempts)

    def value(self, name: str) -> float | None:
        return self.registry.get_sample_value(f"skillupworks_effects_{name}", {"kind": "email"})


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch, events: list[Any]) -> Iterator[Surroundings]:
    """Return a runner that is not started, and end it; pauses are short, gauges are fresh."""
    del events  # captured, so that nothing is printed
    for name in ("GATHER_SECONDS", "OUTAGE_BASE_SECONDS", "BACKLOG_SECONDS"):
        monkeypatch.setattr(runner_module, name, 0.005)
    around = Surroundings()
    yield around
    around.runner.stop()
    assert around.mail.closed


def test_what_is_delivered_is_forgotten(around: Surroundings) -> None:
    around.emails.put("ORD-1", "ORD-2")
    around.runner.start()

    around.wait_for(lambda: not around.emails.due)

    assert around.mail.delivered == ["ORD-1", "ORD-2"]
    assert around.value("delivered_total") == 2
    around.wait_for(lambda: around.value("waiting") == 0)


def test_kinds_of_one_runner_are_delivered_in_their_order(
    around: Surroundings, events: list[Any]
) -> None:
    around.emails.put("ORD-1", traceparent=TRACEPARENT)
    around.notices.put("ORD-1", traceparent=TRACEPARENT)
    around.runner.start()

    around.wait_for(lambda: around.warehouse.delivered)

    assert [("mail sent", "ORD-1", "a" * 32), ("notice sent", "ORD-1", "a" * 32)] == [
        (event["event"], event["order_id"], event["trace_id"]) for event in events
    ]


def test_one_that_can_never_be_delivered_is_given_up_and_kept(
    around: Surroundings, events: list[Any]
) -> None:
    around.mail.errors["ORD-1"] = PermanentError("550 no such user", reason="refused")
    around.emails.put("ORD-1", "ORD-2")
    around.runner.start()

    around.wait_for(lambda: around.emails.given_up)

    assert around.emails.given_up == {"ORD-1": "550 no such user"}
    assert around.mail.delivered == ["ORD-2"]
    assert around.value("failed_total") == 1
    around.wait_for(lambda: around.value("given_up") == 1)
    error = next(event for event in events if event["log_level"] == "error")
    assert error["event"] == "The email of order ORD-1 is given up: 550 no such user"
    assert ("refused", "given up", 1) == (error["reason"], error["outcome"], error["attempt"])


@pytest.mark.parametrize("error", [TransientError("451 greylisted"), KeyError("a bug")])
def test_one_that_fails_is_tried_again_later_and_said_once(
    around: Surroundings, events: list[Any], error: Exception
) -> None:
    around.mail.errors["ORD-1"] = error
    around.emails.put("ORD-1", "ORD-2")
    around.runner.start()

    around.wait_for(lambda: around.emails.later)
    for _ in range(2):
        around.fail_again()
    around.mail.errors.clear()
    around.emails.due_again()
    around.wait_for(lambda: not around.emails.due)

    assert around.mail.delivered == ["ORD-2", "ORD-1"]
    assert around.value("retried_total") == 3
    assert len([event for event in events if event["log_level"] == "error"]) == 1
    assert around.runner.problem() is None


def test_pauses_grow_with_the_attempts_up_to_five_minutes(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "uniform", lambda _low, high: high)
    around.mail.errors["ORD-1"] = TransientError("451 greylisted")
    around.emails.put("ORD-1")
    around.runner.start()

    around.wait_for(lambda: around.emails.later)
    for _ in range(9):
        around.fail_again()

    assert around.emails.pauses == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_while_the_back_end_is_away_only_the_one_that_found_out_is_charged(
    around: Surroundings,
) -> None:
    around.mail.errors = dict.fromkeys(("ORD-1", "ORD-2", "ORD-3"), AWAY)
    around.emails.put("ORD-1", "ORD-2", "ORD-3")
    around.runner.start()

    around.wait_for(lambda: len(around.emails.later) == 3)

    assert around.mail.asked == ["ORD-1", "ORD-2", "ORD-3"]
    assert around.emails.taken[:3] == [3, 2, 1]


def test_an_outage_is_said_once_and_its_end_when_something_was_delivered(
    around: Surroundings, events: list[Any]
) -> None:
    around.mail.errors = dict.fromkeys(("ORD-1", "ORD-2", "ORD-3"), AWAY)
    around.emails.put("ORD-1", "ORD-2", "ORD-3")
    around.runner.start()

    around.wait_for(lambda: len(around.emails.later) == 3)
    commits = around.database.commits
    # nothing is due now, so nobody knows whether the back end is there again
    around.wait_for(lambda: around.database.commits > commits + 3)
    assert around.runner.problem() == str(AWAY)
    around.mail.errors.clear()
    around.emails.due_again()
    around.wait_for(lambda: around.runner.problem() is None)

    assert sorted(around.mail.delivered) == ["ORD-1", "ORD-2", "ORD-3"]
    said = [event["event"] for event in events if event["event"] != "mail sent"]
    assert said == [
        f"Error: {AWAY}; email and warehouse effects are kept and tried again",
        "The email and warehouse effects are delivered again",
    ]


def test_a_database_that_is_away_is_waited_for(around: Surroundings) -> None:
    around.database.problem = "MySQL: Connection refused"
    around.emails.put("ORD-1")
    around.runner.start()

    around.wait_for(lambda: around.runner.problem() == "MySQL: Connection refused")
    around.database.problem = None
    around.wait_for(lambda: around.runner.problem() is None)

    assert around.mail.delivered == ["ORD-1"]


def test_what_was_delivered_and_not_committed_is_delivered_again(around: Surroundings) -> None:
    around.database.commit_error = TransientError("MySQL: Lost connection")
    around.emails.put("ORD-1")
    around.runner.start()

    around.wait_for(lambda: len(around.mail.delivered) > 1)
    around.database.commit_error = None
    around.wait_for(lambda: not around.emails.due)

    assert set(around.mail.delivered) == {"ORD-1"}


def test_more_than_a_batch_is_delivered_without_waiting(around: Surroundings) -> None:
    orders = [f"ORD-{number}" for number in range(35)]
    around.emails.put(*orders)
    around.runner.start()

    wait_until(lambda: not around.emails.due)

    assert around.mail.delivered == orders
