"""Commands of `skillupworks dlq` that write or read files: drop, export, import."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from skillupworks.messaging.parked import Parked
from skillupworks.ops.message_file import MessageFile
from skillupworks.ops.options import filter_options, limit_option, output_option, queue_option
from skillupworks.ops.output import Output
from skillupworks.ops.rendering import group_table, groups_of
from skillupworks.ops.report import Report
from skillupworks.ops.running import (
    end_as,
    messages_of,
    open_queue,
    outcome_of,
    say_problems,
    watching,
)
from skillupworks.ops.selection import Selection
from skillupworks.ops.transfers import (
    count_messages,
    drop,
    export_messages,
    import_messages,
    matching,
)

__all__ = ["drop_command", "export_command", "import_command"]

NEW_FILE = "A new file; without it, one in this folder with queue and time in its name."


@click.command(name="drop")
@queue_option
@filter_options
@limit_option()
@click.option("--to", "path", type=click.Path(path_type=Path), metavar="FILE", help=NEW_FILE)
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_option
def drop_command(  # noqa: PLR0913 - an option each
    queue: str,
    selection: Selection,
    limit: int | None,
    path: Path | None,
    *,
    yes: bool,
    output: Output,
) -> None:
    """Remove messages, and keep them in a file.

    Without a filter, all of them. A message is removed once it is on the disk; `import` brings
    back what was dropped.
    """
    path = path or _file_name(queue, "dropped")
    if not yes:
        keys: set[str] = set()
        with open_queue(queue) as dead_letters:
            groups = groups_of(_noted(matching(dead_letters, selection, limit), keys))
        number = sum(group.count for group in groups)
        if not number:
            _say_written("dropped", Report(), MessageFile(path, queue), output)
            return
        # what is parked while the question is being read was not asked about
        selection, limit = replace(selection, keys=keys), number
        output.show_aside(group_table(groups, datetime.now(UTC)))
        click.confirm(
            f"Drop {messages_of(number)} from {queue}, and keep them in {path}?",
            abort=True,
            err=True,
        )
    with (
        open_queue(queue) as dead_letters,
        MessageFile(path, queue) as file,
        watching("Dropping", dead_letters.count(), output) as watch,
    ):
        report = drop(dead_letters, selection, limit, file, watch)
    _say_written("dropped", report, file, output)
    end_as(report)


@click.command(name="export")
@queue_option
@filter_options
@limit_option()
@click.option("--to", "path", type=click.Path(path_type=Path), metavar="FILE", help=NEW_FILE)
@output_option
def export_command(
    queue: str, selection: Selection, limit: int | None, path: Path | None, output: Output
) -> None:
    """Write messages to a file; they stay in the queue.

    Each line is one message as JSON. Without a filter, all of them are written.
    """
    path = path or _file_name(queue, "exported")
    with (
        open_queue(queue) as dead_letters,
        MessageFile(path, queue) as file,
        watching("Exporting", dead_letters.count(), output) as watch,
    ):
        report = export_messages(dead_letters, selection, limit, file, watch)
    _say_written("exported", report, file, output)
    end_as(report)


@click.command(name="import")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@queue_option
@output_option
def import_command(path: Path, queue: str, output: Output) -> None:
    """Put a file's messages back into the queue.

    That is the dead-letter queue: `replay` sends them on. Those whose id is there already are
    skipped: importing twice changes nothing. A file with a mistake in it is refused as a whole,
    with line and field.
    """
    # before connecting: with a large file, the broker would wait too long for a sign of life
    number = count_messages(path, queue)
    with open_queue(queue) as dead_letters, watching("Importing", number, output) as watch:
        report = import_messages(dead_letters, path, watch)
    if output.as_json:
        counts = {"queue": queue, "imported": report.done, "skipped": report.skipped}
        output.document(counts | outcome_of(report))
    else:
        output.say(
            f"{messages_of(report.done)} imported into {queue},"
            f" {report.skipped:,} skipped that were there already"
        )
        say_problems(report, output)
    end_as(report)


def _noted(messages: Iterable[Parked], keys: set[str]) -> Iterator[Parked]:
    """Pass the messages on, and add their keys."""
    for message in messages:
        keys.add(message.key)
        yield message


def _say_written(done: str, report: Report, file: MessageFile, output: Output) -> None:
    if output.as_json:
        name = str(file.path) if file.written else None
        output.document({done: report.done, "file": name} | outcome_of(report))
        return
    output.say(
        f"{messages_of(report.done)} {done}" + (f", see {file.path}" if file.written else "")
    )
    if file.written > report.done:
        output.say(f"The file has {file.written - report.done:,} that are still in the queue.")
    say_problems(report, output)


def _file_name(queue: str, what: str) -> Path:
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", queue)
    return Path(f"{safe}-{what}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.jsonl")
