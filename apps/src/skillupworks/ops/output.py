"""What the tool prints: results on standard output, everything about them on standard error."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["Output", "printable"]

# Escape sequences in a message must not reach the terminal, nor text that runs backwards.
UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
BREAKS = re.compile(r"[\t\n]")
# a pipe or a file has no width: nothing is cut there
UNLIMITED = 100_000
PATIENCE_SECONDS = 1.0


class Output:
    """Prints tables and lines for people, or one JSON document for programs."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.for_people = sys.stdout.isatty()
        width = None if self.for_people else UNLIMITED
        self._out = Console(width=width, highlight=False, markup=False, emoji=False)
        self._err = Console(stderr=True, highlight=False, markup=False, emoji=False)

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        return self._out.width

    def document(self, document: object) -> None:
        """Print the result for a program, in ASCII: it may be looked at on a terminal as well."""
        sys.stdout.write(json.dumps(document, indent=2) + "\n")

    def show(self, *renderables: RenderableType) -> None:
        """Print a part of the result."""
        for renderable in renderables:
            self._out.print(renderable, soft_wrap=isinstance(renderable, str))

    def show_aside(self, renderable: RenderableType) -> None:
        """Print what helps to answer a question."""
        self._err.print(renderable)

    def say(self, line: str) -> None:
        """Print what is to be known about the result."""
        self._err.print(line, soft_wrap=True)

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show a bar if somebody sees it and has to wait; yields what sets the number done."""
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._err,
            transient=True,
            disable=not self._err.is_terminal,
        )
        task = bar.add_task(what, total=total)
        began = monotonic()

        def advance(done: int) -> None:
            bar.update(task, completed=done)
            if not bar.live.is_started and monotonic() - began > PATIENCE_SECONDS:
                bar.start()

        try:
            yield advance
        finally:
            bar.stop()


def printable(text: str, *, on_one_line: bool = True) -> str:
    """Return the text with everything escaped that would move or colour the terminal."""

    def escape(match: re.Match[str]) -> str:
        return match[0].encode("unicode_escape").decode()

    text = UNSAFE.sub(escape, text)
    return BREAKS.sub(escape, text) if on_one_line else text


def plain(value: Any) -> str:  # noqa: ANN401 - whatever JSON has
    """Return a JSON value as text, without quotes around a string."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
