"""How far a command has come, and the way to end it in between."""

from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Report", "Watch"]


@dataclass
class Report:
    """What a command did.

    `seen` messages were looked at, `done` of them were moved, written or published, `skipped` were
    there already. `problems` has a line for each one that could not be moved. `ended_by` says why
    the command ended before the last message; `stopped` that somebody asked for it.
    """

    seen: int = 0
    done: int = 0
    skipped: int = 0
    problems: list[str] = field(default_factory=list)
    ended_by: str | None = None
    stopped: bool = False

    @property
    def complete(self) -> bool:
        """Whether all was done that was asked for."""
        return not (self.problems or self.ended_by or self.stopped)


@dataclass(frozen=True)
class Watch:
    """Who looks on: `stop` is asked between two messages, `progress` is told about each."""

    stop: Callable[[], bool] = lambda: False
    progress: Callable[[Report], None] = lambda _report: None
