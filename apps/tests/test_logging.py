"""A process logs events, not raw dumps, whatever goes wrong in it."""

import json
import socket
import subprocess
import sys
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


def test_under_systemd_a_traceback_is_part_of_the_one_entry(tmp_path: Path) -> None:
    # Given an error stream that is the one systemd connected to the journal
    program = (
        "import os, pathlib, sys\n"
        "from skillupworks.runtime.logging import configure\n"
        "status = os.fstat(2)\n"
        "os.environ['JOURNAL_STREAM'] = f'{status.st_dev}:{status.st_ino}'\n"
        f"configure('payment', sys.stderr, pathlib.Path({str(tmp_path / 'socket')!r}))\n"
        "raise ValueError('boom')\n"
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
        journald.bind(str(tmp_path / "socket"))
        journald.settimeout(10)

        # When the program dies of an exception
        with (tmp_path / "stderr").open("w") as stderr:
            subprocess.run(
                [sys.executable, "-c", program],
                check=False,
                env={"PYTHONPATH": SOURCE},
                stderr=stderr,
            )

        # Then there is one entry, with the traceback in its message, and nothing beside it
        entry = journald.recv(65536)
        assert b"MESSAGE\n" in entry
        assert b"Uncaught exception\nTraceback" in entry
        assert b"ValueError: boom" in entry
        assert b"PRIORITY=2\nSYSLOG_IDENTIFIER=payment\n" in entry
        assert (tmp_path / "stderr").read_text() == ""
