"""Says where a client's time goes, from the stacks that py-spy sampled."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["REST", "shares", "summary"]

TOP = 25
# frames that wait for work: their time is nobody's
IDLE = ("wait (threading.py", "select (selectors.py", "poll (", "accept (socket.py")

# Whose work a frame is: the innermost frame that is somebody's decides for its stack. An area is
# known by parts of "function (path:line)".
AREAS: Mapping[str, Sequence[str]] = {
    "TLS to the database": ("ssl.py",),
    "socket": (" (socket.py", "pika/adapters/"),
    "AMQP: frames and their fields": ("pika/",),
    "JSON and validation": ("pydantic", "json/", "messaging/message.py", "order_message.py"),
    "SQL: statements and rows": ("pymysql", "sqlalchemy"),
    "metrics": ("prometheus_client",),
    "journal's entries": ("runtime/journal.py", "runtime/logging.py", "logging/__init__.py"),
    "handing over between threads": ("threading.py", "queue.py", "mailbox.py"),
    "runtime of consumers and publishers": ("skillupworks/messaging",),
    "inbox, outbox, effects": ("skillupworks/reliability",),
    "orders": ("skillupworks/shop",),
}
REST = "anything else"


def shares(stacks: Sequence[str]) -> dict[str, float]:
    """Return each area's share of the time in which the process worked, largest first.

    `stacks` are the lines of py-spy's raw format, outermost frame first. The shares add up to 1;
    without a sample of work there are none.
    """
    spent = _by_area(stacks)
    return {area: count / spent.total() for area, count in spent.most_common()}


def summary(stacks: Sequence[str]) -> str:
    """Return the areas and the functions with the most time: their own, and with what they call."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    threads: Counter[str] = Counter()
    for frames, count in _busy(stacks):
        threads[next((frame for frame in frames if frame.startswith("thread")), "")] += count
        own[frames[-1]] += count
        for frame in {_function(frame) for frame in frames if not frame.startswith("thread")}:
            whole[frame] += count
    total = sum(own.values())
    return "\n".join(
        (
            *_table("by area", _by_area(stacks).most_common(), total),
            *_table("by thread", threads.most_common(), total),
            *_table("own time, by line", own.most_common(TOP), total),
            *_table("with what it calls, by function", whole.most_common(2 * TOP), total),
        )
    )


def _busy(stacks: Iterable[str]) -> Iterator[tuple[list[str], int]]:
    """Yield the frames, outermost first, and the count of the samples that do not wait."""
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        if not any(name in frames[-1] for name in IDLE):
            yield frames, int(count)


def _by_area(stacks: Iterable[str]) -> Counter[str]:
    """Return the count of each area's samples."""
    spent: Counter[str] = Counter()
    for frames, count in _busy(stacks):
        spent[_area(frames)] += count
    return spent


def _area(frames: Sequence[str]) -> str:
    for frame in reversed(frames):
        for area, parts in AREAS.items():
            if any(part in frame for part in parts):
                return area
    return REST


def _function(frame: str) -> str:
    """Return the frame without its line."""
    return frame.rpartition(":")[0] + ")" if ":" in frame else frame


def _table(title: str, rows: Iterable[tuple[str, int]], total: int) -> list[str]:
    return ["", title, *(f"{count / total:6.1%}  {name}" for name, count in rows)]
