"""Journal entries go out in journald's native format; journald is played by a real socket."""

import array
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from skillupworks.runtime.journal import JournalWriter, encode_entry, stream_is_journal
from skillupworks.runtime.logging import journal_fields


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[socket.socket]:
    """Listen where a JournalWriter writes to."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "socket"))
        server.settimeout(5)
        yield server


@pytest.fixture
def writer(journald: socket.socket) -> Iterator[JournalWriter]:
    """Return a writer to that socket."""
    writer = JournalWriter(Path(journald.getsockname()))
    yield writer
    writer.close()


def test_a_field_is_a_line() -> None:
    entry = encode_entry({"MESSAGE": "📦 NEW ORDER RECEIVED", "PRIORITY": "6"})

    assert entry == "MESSAGE=📦 NEW ORDER RECEIVED\nPRIORITY=6\n".encode()


def test_a_value_with_a_newline_is_sent_with_its_length() -> None:
    assert encode_entry({"MESSAGE": "a\nb"}) == b"MESSAGE\n\x03\0\0\0\0\0\0\0a\nb\n"


def test_an_empty_line_of_the_order_block_stays_an_entry() -> None:
    assert encode_entry({"MESSAGE": ""}) == b"MESSAGE=\n"


def test_an_entry_is_one_datagram(writer: JournalWriter, journald: socket.socket) -> None:
    writer.write({"MESSAGE": "Items: 2", "ORDER_ID": "ORD-1702554000123"})

    assert journald.recv(65536) == b"MESSAGE=Items: 2\nORDER_ID=ORD-1702554000123\n"


def test_several_lines_are_entries_with_the_same_fields(
    writer: JournalWriter, journald: socket.socket
) -> None:
    writer.write_lines(["Items: 2", "", "a\nb"], {"ORDER_ID": "ORD-1"})

    assert [journald.recv(65536) for _ in range(3)] == [
        b"MESSAGE=Items: 2\nORDER_ID=ORD-1\n",
        b"MESSAGE=\nORDER_ID=ORD-1\n",
        b"MESSAGE\n\x03\0\0\0\0\0\0\0a\nb\nORDER_ID=ORD-1\n",
    ]


def test_entries_reach_a_journald_that_came_after_the_first(
    writer: JournalWriter, journald: socket.socket
) -> None:
    path = Path(journald.getsockname())
    writer.write({"MESSAGE": "to the first"})
    journald.close()
    path.unlink()

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as second:
        second.bind(str(path))
        second.settimeout(5)
        writer.write({"MESSAGE": "to the second"})

        assert second.recv(65536) == b"MESSAGE=to the second\n"


def test_lines_of_several_threads_do_not_mix(
    writer: JournalWriter, journald: socket.socket
) -> None:
    threads = [
        Thread(target=writer.write_lines, args=([str(line) for line in range(9)], {"T": name}))
        for name in ("a", "b", "c")
    ]
    for thread in threads:
        thread.start()
    entries = [journald.recv(65536) for _ in range(27)]
    for thread in threads:
        thread.join()

    names = [entry[-2:-1] for entry in entries]
    assert names == [name for name in dict.fromkeys(names) for _ in range(9)]


def test_an_entry_too_large_for_a_datagram_is_passed_as_a_sealed_file(
    writer: JournalWriter, journald: socket.socket
) -> None:
    text = "x" * 10_000_000

    writer.write({"MESSAGE": text})

    data, ancillary, _, _ = journald.recvmsg(65536, socket.CMSG_SPACE(4))
    descriptors = array.array("i")
    descriptors.frombytes(ancillary[0][2])
    with os.fdopen(descriptors[0], "rb") as file:
        file.seek(0)
        assert file.read() == f"MESSAGE={text}\n".encode()
    assert data == b""


def test_without_journald_the_message_goes_to_the_error_stream(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = JournalWriter(tmp_path / "nobody")

    writer.write({"MESSAGE": "still said"})
    writer.close()

    assert capsys.readouterr().err == "still said\n"


def test_facts_become_upper_case_fields_beside_the_message() -> None:
    event = {"event": "✅ Order processed successfully!", "level": "info", "order_id": "ORD-1"}

    fields = journal_fields("order-processor", event | {"duration_ms": 3.2, "message_id": None})

    assert fields == {
        "MESSAGE": "✅ Order processed successfully!",
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "order-processor",
        "ORDER_ID": "ORD-1",
        "DURATION_MS": "3.2",
    }


def test_only_the_stream_that_systemd_made_is_the_journal(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        status = os.fstat(stream.fileno())
        assert stream_is_journal(stream, f"{status.st_dev}:{status.st_ino}")
        assert not stream_is_journal(stream, f"{status.st_dev}:{status.st_ino + 1}")
        assert not stream_is_journal(stream, None)
