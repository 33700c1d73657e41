"""A process logs events, not raw dumps, whatever goes wrong in it."""

import json
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

SOURCE = str(Path(__file__).parents[1] / "src")


def run(program: str) -> list[dict[str, Any]]:
    """Run a program that logs into a pipe and return its events."""
    setup = "from skillupworks.runtime.logging import configure; configure('test')\n"
    result = subprocess.run(
        [sys.executable, "-c", setup + program],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": SOURCE},
    )
    return [json.loads(line) for line in result.stderr.splitlines()]


def test_into_a_pipe_an_event_is_one_json_object() -> None:
    events = run("import structlog; structlog.get_logger().info('Items: 2', order_id='ORD-1')")

    assert [("Items: 2", "info", "ORD-1")] == [
        (event["event"], event["level"], event["order_id"]) for event in events
    ]


def test_several_lines_are_an_event_each() -> None:
    events = run(
        "from skillupworks.runtime.logging import info_lines\n"
        "info_lines(['Items: 2', ''], order_id='ORD-1')"
    )

    assert [("Items: 2", "info", "ORD-1"), ("", "info", "ORD-1")] == [
        (event["event"], event["level"], event["order_id"]) for event in events
    ]


def test_an_uncaught_exception_is_one_event_with_its_traceback() -> None:
    events = run("raise ValueError('boom')")

    assert len(events) == 1
    assert events[0]["level"] == "critical"
    assert "ValueError: boom" in events[0]["exception"]


def test_an_uncaught_exception_in_a_thread_is_one_event_too() -> None:
    events = run("import threading; threading.Thread(target=lambda: 1 / 0, name='relay').start()")

    assert len(events) == 1
    assert "relay" in events[0]["event"]
    assert "ZeroDivisionError" in events[0]["exception"]


def test_warnings_of_libraries_become_events_and_chatter_does_not() -> None:
    events = run(
        "import logging\n"
        "logging.getLogger('library').warning('slow')\n"
        "logging.getLogger('library').info('chatter')\n"
        "logging.getLogger('pika').error('reported by us')\n"
    )

    assert [("slow", "library")] == [(event["event"], event["logger"]) for event in events]


def under_systemd(program: str, folder: Path) -> tuple[list[bytes], str]:
    """Run a program whose error stream is the journal; return its entries and what it printed."""
    setup = (
        "import os, pathlib, sys\n"
        "from skillupworks.runtime.logging import configure, info_lines\n"
        "status = os.fstat(2)\n"
        "os.environ['JOURNAL_STREAM'] = f'{status.st_dev}:{status.st_ino}'\n"
        f"configure('payment', sys.stderr, pathlib.Path({str(folder / 'socket')!r}))\n"
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
        journald.bind(str(folder / "socket"))
        with (folder / "stderr").open("w") as stderr:
            subprocess.run(
                [sys.executable, "-c", setup + program],
                check=False,
                env={"PYTHONPATH": SOURCE},
                stderr=stderr,
            )
        journald.setblocking(False)
        entries = []
        with suppress(BlockingIOError):
            while True:
                entries.append(journald.recv(65536))
    return entries, (folder / "stderr").read_text()


def test_under_systemd_a_traceback_is_part_of_the_one_entry(tmp_path: Path) -> None:
    (entry,), printed = under_systemd("raise ValueError('boom')\n", tmp_path)

    assert b"MESSAGE\n" in entry
    assert b"Uncaught exception\nTraceback" in entry
    assert b"ValueError: boom" in entry
    assert b"PRIORITY=2\nSYSLOG_IDENTIFIER=payment\n" in entry
    assert printed == ""


def test_under_systemd_several_lines_are_an_entry_each(tmp_path: Path) -> None:
    program = "info_lines(['Items: 2', ''], order_id='ORD-1', trace_id=None)"

    entries, printed = under_systemd(program, tmp_path)

    common = b"PRIORITY=6\nSYSLOG_IDENTIFIER=payment\nORDER_ID=ORD-1\n"
    assert entries == [b"MESSAGE=Items: 2\n" + common, b"MESSAGE=\n" + common]
    assert printed == ""
