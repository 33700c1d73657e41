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
from collections.abc import Mapping
from pathlib import Path
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
    parts: list[bytes] = []
    for name, value in fields.items():
        data = value.encode("utf-8", errors="replace")
        if b"\n" in data:
            parts.append(b"%s\n%s%s\n" % (name.encode(), len(data).to_bytes(8, "little"), data))
        else:
            parts.append(b"%s=%s\n" % (name.encode(), data))
    return b"".join(parts)


class JournalWriter:
    """Sends entries to journald; thread-safe, since each entry is one datagram.

    When journald is away (it restarts, or its socket is gone) the entry's MESSAGE goes to the
    error stream: a service must not fail because nobody takes its log.
    """

    def __init__(self, path: Path = JOURNAL_SOCKET) -> None:
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def close(self) -> None:
        """Close the socket; the writer cannot be used afterwards."""
        self._socket.close()

    def write(self, fields: Mapping[str, str]) -> None:
        """Send one entry. `fields` has upper-case names; MESSAGE and PRIORITY are expected."""
        data = encode_entry(fields)
        try:
            self._socket.sendto(data, self._path)
        except OSError as error:
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                self._write_to_stderr(fields)
                return
            try:
                self._send_as_file(data)
            except OSError:
                self._write_to_stderr(fields)

    def _send_as_file(self, data: bytes) -> None:
        """Pass the entry as a memory file; journald takes it only when it is sealed."""
        descriptor = os.memfd_create("journal-entry", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
            rights = array.array("i", [descriptor])
            self._socket.sendmsg(
                [], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)], 0, self._path
            )

    @staticmethod
    def _write_to_stderr(fields: Mapping[str, str]) -> None:
        sys.stderr.write(fields.get("MESSAGE", "") + "\n")
