"""What the commands of `skillupworks dlq` share: the queue, Ctrl-C, the last lines, the status."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import NoReturn

import click

from skillupworks.messaging.parked import DeadLetters
from skillupworks.ops.interrupt import Interrupt
from skillupworks.ops.output import Output, printable
from skillupworks.ops.report import Report, Watch

__all__ = [
    "INCOMPLETE",
    "end",
    "end_as",
    "messages_of",
    "open_queue",
    "outcome_of",
    "say_problems",
    "watching",
]

INCOMPLETE = 1
INTERRUPTED = 130
# more lines of one kind would only hide the summary
SHOWN_PROBLEMS = 10

Opener = Callable[[str], DeadLetters]


@contextmanager
def open_queue(queue: str) -> Iterator[DeadLetters]:
    """Connect to the broker for the block; `obj` of the context says how."""
    opener: Opener = click.get_current_context().obj
    with closing(opener(queue)) as dead_letters:
        yield dead_letters


@contextmanager
def watching(what: str, total: int, output: Output) -> Iterator[Watch]:
    """Show progress, and let Ctrl-C end what is done within the block."""
    with Interrupt() as interrupt, output.progress(what, total) as advance:
        yield Watch(lambda: interrupt.asked, lambda report: advance(report.seen))


def say_problems(report: Report, output: Output) -> None:
    """Say what was not done, and why."""
    for problem in report.problems[:SHOWN_PROBLEMS]:
        output.say(f"Error: {printable(problem)}")
    hidden = len(report.problems) - SHOWN_PROBLEMS
    if hidden > 0:
        output.say(f"Error: and {hidden:,} more like these")
    if report.ended_by:
        output.say(f"Error: {printable(report.ended_by)}")
        output.say("What was not done yet is where it was. Run the command again to go on.")
    if report.stopped:
        output.say("Ended early, as asked. Run the command again to go on.")


def outcome_of(report: Report) -> dict[str, object]:
    """Return the same for a program."""
    return {
        "problems": report.problems,
        "ended_by": report.ended_by,
        "interrupted": report.stopped,
    }


def end_as(report: Report) -> None:
    """End with the status that the report stands for, unless it is 0."""
    if report.stopped:
        end(INTERRUPTED)
    if not report.complete:
        end(INCOMPLETE)


def end(status: int) -> NoReturn:
    """End with this status."""
    click.get_current_context().exit(status)


def messages_of(number: int) -> str:
    """Return the number with its word."""
    return "1 message" if number == 1 else f"{number:,} messages"
