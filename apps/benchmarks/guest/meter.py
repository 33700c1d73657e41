"""Counts what was handled, in the same way and at the same price for every client.

A client's processes write their counts into small files in memory; who measures only reads them,
so that nothing is asked of a client while it works.
"""

import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from time import monotonic

__all__ = ["Meter", "Reading", "read"]

# messages; messages of the first call; times of the first and of the last call
RECORD = struct.Struct("=QQdd")


class Meter:
    """A process's counter; thread-safe. A forked child counts in a file of its own."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._lock = Lock()
        self._pid = 0

    def count(self, messages: int = 1) -> None:
        """Count messages whose handling is done."""
        now = monotonic()
        with self._lock:
            if self._pid != os.getpid():
                self._begin(messages, now)
            self._messages += messages
            RECORD.pack_into(self._map, 0, self._messages, self._first, self._began, now)

    def _begin(self, messages: int, now: float) -> None:
        self._pid = os.getpid()
        self._messages = 0
        self._first = messages
        self._began = now
        with (self._folder / str(self._pid)).open("w+b") as file:
            file.truncate(RECORD.size)
            self._map = mmap.mmap(file.fileno(), RECORD.size)


@dataclass(frozen=True)
class Reading:
    """The sum over a client's processes."""

    messages: int
    seconds: float
    counted: int  # in `seconds`: without the messages whose handling began the time
    processes: int

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.counted / self.seconds if self.seconds > 0 else 0.0


def read(folder: Path) -> Reading:
    """Return what the processes that write into a folder have counted so far."""
    records = [
        RECORD.unpack(data)
        for path in folder.iterdir()
        if len(data := path.read_bytes()) == RECORD.size
    ]
    records = [record for record in records if record[0]]
    if not records:
        return Reading(0, 0.0, 0, 0)
    messages = sum(record[0] for record in records)
    earliest = min(records, key=lambda record: record[2])
    seconds = max(record[3] for record in records) - earliest[2]
    return Reading(messages, seconds, messages - earliest[1], len(records))
