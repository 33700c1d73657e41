"""The table and the page that are made from runs."""

from pathlib import Path

from faults.accounting import Account
from faults.report import page
from faults.results import forget, load, markdown_table, rows, save, text_table
from faults.scene import Outcome

PLATFORM = {
    "machine": "a machine",
    "hosts": "5 hosts",
    "broker": "RabbitMQ 4",
    "database": "MariaDB 11",
    "python": "Python 3.13",
    "release": "1.2.3",
}


def outcome(fault: str, seed: int, gap: float = 1.0, lost: tuple[str, ...] = ()) -> Outcome:
    """Return a run in which 100 orders were accepted."""
    account = Account(
        attempted=100, accepted=100, processed=100, waiting=0, parked=1, lost=[*lost], doubled=[],
        repeated=[], unexpected=[], mischarged=[], missold=[], refused=[], recovered=0,
        processing_gap=gap, accepting_gap=0.1, slowest=3.0,
    )  # fmt: skip
    return Outcome(
        fault=fault, title=fault.title(), description="Break it.", seed=seed, began=0.0,
        seconds=20.0, account=account, recovery=2.0 * seed, put_off={}, left={},
        seen=["it was broken"], events=[], problems=[*lost],
    )  # fmt: skip


def test_a_row_has_the_sums_and_the_worst_times_of_a_fault() -> None:
    """Faults come in the order of the suite."""
    runs = [outcome("b", 1).as_json(), outcome("a", 1, 5.0).as_json(), outcome("a", 2).as_json()]
    assert rows(runs, ["a", "b"]) == [
        ("A", "2", "200", "0", "0", "0", "2", "5.0", "3.0", "4.0"),
        ("B", "1", "100", "0", "0", "0", "1", "1.0", "3.0", "2.0"),
    ]


def test_a_fault_that_failed_is_marked() -> None:
    """Nobody has to look for it in the numbers."""
    (row,) = rows([outcome("a", 1, lost=("ORD-1",)).as_json()], [])
    assert row[0] == "A (FAILED)"
    assert row[3] == "1"


def test_tables_have_a_line_for_each_row() -> None:
    """One for a terminal, one for a page."""
    table = rows([outcome("a", 1).as_json()], ["a"])
    assert text_table(table).splitlines()[1].split() == ["A", "1", *table[0][2:]]
    assert markdown_table(table).splitlines()[2] == f"| {' | '.join(table[0])} |"


def test_a_run_replaces_the_one_before_of_the_same_seed(tmp_path: Path) -> None:
    """The page is made from the latest of each."""
    save(outcome("a", 1, gap=9.0), tmp_path, PLATFORM)
    save(outcome("a", 1, gap=2.0), tmp_path, PLATFORM)
    save(outcome("a", 2), tmp_path, PLATFORM)
    assert [run["account"]["processing_gap"] for run in load(tmp_path)] == [2.0, 1.0]
    forget(tmp_path, "a", 1)
    assert [run["seed"] for run in load(tmp_path)] == [2]


def test_the_page_shows_table_machine_and_what_was_done(tmp_path: Path) -> None:
    """A reader learns how to make it again."""
    save(outcome("a", 1), tmp_path, PLATFORM)
    text = page(load(tmp_path), ["a"])
    assert "| A | 1 | 100 |" in text
    assert "| release | 1.2.3 |" in text
    assert "- **A** (`a`): Break it. Seen, for example: it was broken." in text
    assert "make faults" in text
