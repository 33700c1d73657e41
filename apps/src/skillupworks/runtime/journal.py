"""Writes entries to journald by its native protocol, so that fields travel beside the message.

Protocol: https://systemd.io/JOURNAL_NATIVE_PROTOCOL. One datagram is one entry. An entry that
does not fit into a datagram is passed as a sealed memory file.
"""

import array
import errno
import fcntl
import os
import socket
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import RLock
from typing import TextIO

__all__ = ["JOURNAL_SOCKET", "JournalWriter", "encode_entry", "stream_is_journal"]

JOURNAL_SOCKET = Path("/run/systemd/journal/socket")


def stream_is_journal(stream: TextIO, journal_stream: str | None) -> bool:
    """Say whether systemd connected `stream` to the journal.

    `journal_stream` is the value of $JOURNAL_STREAM, "device:inode" of the stream that systemd
    made. A child whose output was redirected inherits the variable, but not the same inode.
    """
    if not journal_stream:
        return False
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return journal_stream == f"{status.st_dev}:{status.st_ino}"


def encode_entry(fields: Mapping[str, str]) -> bytes:
    """Return the wire format of one entry; a value with a newline is sent with its length."""
    return b"".join([_encode_field(name, value) for name, value in fields.items()])


def _encode_field(name: str, value: str) -> bytes:
    if "\n" not in value:
        return f"{name}={value}\n".encode(errors="replace")
    data = value.encode(errors="replace")
    return b"%s\n%s%s\n" % (name.encode(), len(data).to_bytes(8, "little"), data)


class JournalWriter:
    """Sends entries to journald, each as one datagram; thread-safe.

    When journald is away (its socket is gone) the entry's MESSAGE goes to the error stream: a
    service must not fail because nobody takes its log.
    """

    def __init__(self, path: Path = JOURNAL_SOCKET) -> None:
        self._path = str(path)
        # connected: to look the path up for each entry takes a third of the time of sending it
        self._socket: socket.socket | None = None
        # reentrant, since the garbage collector may log something in the middle of an entry
        self._lock = RLock()

    def close(self) -> None:
        """Disconnect from journald."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def write(self, fields: Mapping[str, str]) -> None:
        """Send one entry. `fields` has upper-case names; MESSAGE and PRIORITY are expected."""
        with self._lock:
            self._send(encode_entry(fields), fields.get("MESSAGE", ""))

    def write_lines(self, lines: Iterable[str], fields: Mapping[str, str]) -> None:
        """Send an entry for each line, with the same fields, and no other thread's in between."""
        common = encode_entry(fields)
        with self._lock:
            for line in lines:
                self._send(_encode_field("MESSAGE", line) + common, line)

    def _send(self, data: bytes, line: str) -> None:
        for _ in range(2):  # journald may be another one than it was
            try:
                if self._socket is None:
                    self._socket = _connect(self._path)
                _send(self._socket, data)
            except OSError:
                self.close()
            else:
                return
        sys.stderr.write(line + "\n")


def _connect(path: str) -> socket.socket:
    journald = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        journald.connect(path)
    except OSError:
        journald.close()
        raise
    return journald


def _send(journald: socket.socket, data: bytes) -> None:
    try:
        journald.send(data)
    except OSError as error:
        if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
            raise
        _send_as_file(journald, data)


def _send_as_file(journald: socket.socket, data: bytes) -> None:
    """Pass the entry as a memory file; journald takes it only when it is sealed."""
    descriptor = os.memfd_create("journal-entry", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
        rights = array.array("i", [descriptor])
        journald.sendmsg([], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
