"""Where a client's time goes: what py-spy's stacks say, and how the page shows it."""

from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.hotspots import REST, shares, summary

TLS = "thread (worker);run (skillupworks/messaging/worker.py:10);recv_into (ssl.py:1100)"
PARSE = "thread (io);poll (pika/adapters/select_connection.py:5);decode (pika/spec.py:3)"
IDLE = "thread (io);wait (threading.py:320)"
UNKNOWN = "thread (main);sleep (somewhere.py:1)"


def test_a_stack_belongs_to_the_innermost_area_on_it() -> None:
    found = shares([f"{TLS} 30", f"{PARSE} 60", f"{UNKNOWN} 10"])

    assert found == {"AMQP: frames and their fields": 0.6, "TLS to the database": 0.3, REST: 0.1}


def test_waiting_is_nobodys_time() -> None:
    assert shares([f"{TLS} 1", f"{IDLE} 99"]) == {"TLS to the database": 1.0}


def test_without_a_sample_of_work_there_are_no_shares() -> None:
    assert shares([]) == {}
    assert shares([f"{IDLE} 5"]) == {}


def test_the_summary_names_areas_threads_and_functions() -> None:
    text = summary([f"{TLS} 75", f"{PARSE} 25"])

    assert " 75.0%  TLS to the database\n" in text
    assert " 75.0%  thread (worker)\n" in text
    assert " 25.0%  decode (pika/spec.py:3)\n" in text
    assert " 75.0%  run (skillupworks/messaging/worker.py)" in text


def test_the_table_has_a_column_for_each_profile_that_was_taken() -> None:
    first, second, *_ = report.PROFILED
    table = report.profiles_table({second: [f"{PARSE} 3", f"{TLS} 1"], first: [f"{TLS} 8"]})

    assert table.splitlines()[0] == f"| | `{first}` | `{second}` |"
    assert "| TLS to the database | 100% | 25% |" in table
    assert "| AMQP: frames and their fields |  | 75% |" in table


def test_an_update_replaces_its_own_part_of_the_page_and_no_other(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        f"a\n{report.BEGIN}\nold\n{report.END}\nb\n{report.BEGIN_PROFILES}\nold\n{report.END}\nc\n"
    )

    report.update(page, "new", begin=report.BEGIN_PROFILES)

    assert page.read_text() == (
        f"a\n{report.BEGIN}\nold\n{report.END}\nb\n{report.BEGIN_PROFILES}\n\nnew\n\n{report.END}\nc\n"
    )


def test_a_page_without_the_mark_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("words\n")

    with pytest.raises(ValueError, match="has no <!-- written by make bench ARGS=--profile -->"):
        report.update(page, "new", begin=report.BEGIN_PROFILES)
    assert page.read_text() == "words\n"
