"""Says where a client's time goes, from the stacks that py-spy sampled."""

from collections import Counter
from collections.abc import Iterable, Sequence

__all__ = ["summary"]

TOP = 25
# frames that wait for work: their time is nobody's
IDLE = ("wait (threading.py", "select (selectors.py", "poll (", "accept (socket.py")


def summary(stacks: Sequence[str]) -> str:
    """Return the functions with the most time: their own, and with what they call."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    threads: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        if any(name in frames[-1] for name in IDLE):
            continue
        threads[next((frame for frame in frames if frame.startswith("thread")), "")] += int(count)
        own[frames[-1]] += int(count)
        for frame in {_function(frame) for frame in frames if not frame.startswith("thread")}:
            whole[frame] += int(count)
    total = sum(own.values())
    return "\n".join(
        (
            *_table("by thread", threads.most_common(), total),
            *_table("own time, by line", own.most_common(TOP), total),
            *_table("with what it calls, by function", whole.most_common(2 * TOP), total),
        )
    )


def _function(frame: str) -> str:
    """Return the frame without its line."""
    return frame.rpartition(":")[0] + ")" if ":" in frame else frame


def _table(title: str, rows: Iterable[tuple[str, int]], total: int) -> list[str]:
    return ["", title, *(f"{count / total:6.1%}  {name}" for name, count in rows)]
