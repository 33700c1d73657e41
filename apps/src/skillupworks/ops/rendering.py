"""Parked messages as tables and as JSON."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from skillupworks.messaging.parked import Parked
from skillupworks.ops.output import printable
from skillupworks.ops.selection import order_id_of
from skillupworks.ops.typed_json import to_plain

__all__ = [
    "Group",
    "age_of",
    "as_json",
    "group_table",
    "groups_of",
    "message_table",
    "time_of",
]

# what the error gets before another column does
ERROR_WIDTH = 44
GAP = 2
UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


@dataclass(frozen=True)
class Column:
    """A column of the list; one with a `rank` is left out where the room is short, 9 first."""

    title: str
    cell: Callable[[Parked, datetime], str]
    rank: int = 0
    right: bool = False


COLUMNS = (
    Column("Message", lambda message, _now: message.key),
    Column("Order", lambda message, _now: _other_order(message), rank=4),
    Column("Age", lambda message, now: age_of(message.parked_at, now), right=True),
    Column("Reason", lambda message, _now: message.reason),
    Column("Class", lambda message, _now: message.error_class, rank=3),
    Column("Tries", lambda message, _now: str(message.attempts or ""), rank=2, right=True),
    Column("Replays", lambda message, _now: str(message.replays or ""), rank=1, right=True),
)


def message_table(
    messages: Sequence[Parked], now: datetime, width: int, *, for_people: bool
) -> Table:
    """Return a row for each message; ids are complete, the error takes the width that is left."""
    rows = [[printable(column.cell(message, now)) for column in COLUMNS] for message in messages]
    chosen = _choose(rows, width)
    table = _table(expand=for_people)
    for place in chosen:
        table.add_column(
            COLUMNS[place].title,
            justify="right" if COLUMNS[place].right else "left",
            no_wrap=bool(place),
            overflow="fold",
        )
    table.add_column("Error", no_wrap=True, overflow="ellipsis", ratio=1 if for_people else None)
    for message, row in zip(messages, rows, strict=True):
        cells = (*(row[place] for place in chosen), printable(message.error))
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _choose(rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return the places of the columns that leave the error enough room."""
    widths = [max(cell_len(cell) for cell in cells) for cells in zip(*rows, strict=True)]
    room = width - ERROR_WIDTH
    chosen = []
    for place, column in sorted(enumerate(COLUMNS), key=lambda item: item[1].rank):
        needed = max(widths[place], len(column.title)) + GAP
        if column.rank and (not widths[place] or needed > room):
            continue
        room -= needed
        chosen.append(place)
    return sorted(chosen)


@dataclass
class Group:
    """Messages that have reason and error class in common."""

    reason: str
    error_class: str
    count: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None

    def add(self, message: Parked) -> None:
        """Count a message."""
        self.count += 1
        if time := message.parked_at:
            self.oldest = min(self.oldest or time, time)
            self.newest = max(self.newest or time, time)

    def as_json(self) -> dict[str, Any]:
        """Return the group for a program."""
        return {
            "reason": self.reason,
            "error_class": self.error_class or None,
            "count": self.count,
            "oldest": _iso(self.oldest),
            "newest": _iso(self.newest),
        }


def groups_of(messages: Iterable[Parked]) -> list[Group]:
    """Return the messages' groups."""
    groups: dict[tuple[str, str], Group] = {}
    for message in messages:
        kind = (message.reason, message.error_class)
        groups.setdefault(kind, Group(*kind)).add(message)
    return list(groups.values())


def group_table(groups: Iterable[Group], now: datetime) -> Table:
    """Return a row for each group, the largest first."""
    table = _table()
    for title in ("Messages", "Oldest", "Newest"):
        table.add_column(title, justify="right")
    table.add_column("Reason")
    table.add_column("Class")
    for group in sorted(groups, key=lambda group: -group.count):
        ages = (age_of(group.oldest, now), age_of(group.newest, now))
        texts = (f"{group.count:,}", *ages, group.reason, group.error_class)
        table.add_row(*(Text(printable(text)) for text in texts))
    return table


def as_json(message: Parked, *, complete: bool = False) -> dict[str, Any]:
    """Return what is known about a message; `complete` adds headers, properties and body."""
    exchange, routing_key = message.source
    document: dict[str, Any] = {
        "key": message.key,
        "message_id": message.message_id,
        "order_id": order_id_of(message),
        "reason": message.reason,
        "error": message.error,
        "error_class": message.error_class or None,
        "attempts": message.attempts,
        "first_failed_at": _iso(message.first_failed_at),
        "parked_at": _iso(message.parked_at),
        "queue": message.queue,
        "exchange": exchange,
        "routing_key": routing_key,
        "replays": message.replays,
        "trace_id": message.trace_id,
        "bytes": len(message.body),
    }
    if complete:
        document["history"] = list(message.history)
        document["returned"] = message.returned
        document["headers"] = to_plain(message.headers)
        document["properties"] = to_plain(message.properties)
        try:
            document["body"] = message.body.decode()
        except UnicodeDecodeError:
            document["body"] = to_plain(message.body)
    return document


def age_of(time: datetime | None, now: datetime) -> str:
    """Return how long ago it was, in the largest unit."""
    if time is None:
        return "?"
    seconds = max(0, int((now - time) / timedelta(seconds=1)))
    return next((f"{seconds // size}{unit}" for unit, size in UNITS if seconds >= size), "0s")


def time_of(time: datetime | None, now: datetime) -> str:
    """Return the time and how long ago it was."""
    if time is None:
        return ""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, {age_of(time, now)} ago"


def _table(*, expand: bool = False) -> Table:
    return Table(
        box=SIMPLE_HEAD, expand=expand, pad_edge=False, show_edge=False, padding=(0, GAP - 1, 0, 0)
    )


def _other_order(message: Parked) -> str:
    """Return the order's id, unless the message has the same one."""
    order_id = order_id_of(message)
    return order_id if order_id and order_id != message.message_id else ""


def _iso(time: datetime | None) -> str | None:
    return time.isoformat().replace("+00:00", "Z") if time else None
