"""`skillupworks dlq`: the group, and the commands that look at messages and replay them."""

import getpass
import os
import socket
from collections import Counter
from datetime import UTC, datetime

import click

from skillupworks.messaging.parked import Parked
from skillupworks.ops.connection import open_dead_letters
from skillupworks.ops.dlq_files import drop_command, export_command, import_command
from skillupworks.ops.message_page import page_of
from skillupworks.ops.options import (
    filter_options,
    limit_option,
    output_option,
    queue_option,
    rate_option,
)
from skillupworks.ops.output import Output, printable
from skillupworks.ops.rendering import Group, as_json, group_table, groups_of, message_table
from skillupworks.ops.replay import Replay
from skillupworks.ops.report import Watch
from skillupworks.ops.running import (
    INCOMPLETE,
    end,
    end_as,
    messages_of,
    open_queue,
    outcome_of,
    say_problems,
    watching,
)
from skillupworks.ops.selection import Selection, order_id_of
from skillupworks.ops.transfers import latest, matching

__all__ = ["dlq"]


@click.group(name="dlq")
@click.pass_context
def dlq(ctx: click.Context) -> None:
    """Look at parked messages, replay or drop them.

    A message that cannot be processed is parked in a dead-letter queue, with the reason in its
    headers. Nothing here loses one: replay removes it once the broker has confirmed its copy, and
    drop once it is in a file. Every command may be interrupted at any point and run again.

    A command holds the messages that it looks at until it ends: another one sees fewer meanwhile.
    Up to RabbitMQ 4.2 each look also counts as a delivery; the queue's policy allows 1,000,000.

    \b
    Settings: RABBITMQ_HOST, RABBITMQ_PORT, RABBITMQ_USER, RABBITMQ_PASS and
    RABBITMQ_VHOST from the environment, and what is not there from
    /etc/skillupworks/skillupworks.env, which only root can read.

    \b
    Exit status:
      0    done, also when no message matched
      1    not done, or not for all messages: standard error says why
      2    the command line is wrong
      130  ended by Ctrl-C, after the message in hand
    """  # noqa: D301 - click's mark for lines to be left as they are
    ctx.obj = ctx.obj or open_dead_letters


for _command in (drop_command, export_command, import_command):
    dlq.add_command(_command)


@dlq.command(name="list")
@queue_option
@filter_options
@limit_option(50, explained="How many of the latest; 0 for all.")
@click.option("--summary", is_flag=True, help="Count by reason and class of error instead.")
@output_option
def list_command(
    queue: str, selection: Selection, limit: int | None, *, summary: bool, output: Output
) -> None:
    """List parked messages, the latest last.

    A narrow terminal leaves columns out and cuts the error, a pipe does not. `show` tells all
    about one message.
    """
    with open_queue(queue) as dead_letters:
        place = f"{queue} on {dead_letters.host}"
        count = dead_letters.count()
        with output.progress("Reading", count) as advance:
            watch = Watch(progress=lambda report: advance(report.seen))
            found = matching(dead_letters, selection, watch=watch)
            if summary:
                groups = groups_of(found)
            else:
                messages, matched = latest(found, limit)
    if summary:
        _list_groups(groups, count, place, output)
    elif output.as_json:
        listed = [as_json(message) for message in messages]
        output.document({"queue": queue, "count": count, "matched": matched, "messages": listed})
    else:
        _list_messages(messages, output)
        output.say(_counted(matched, count, place))
        if len(messages) < matched:
            output.say(f"These are the latest {len(messages)}; --limit 0 lists all of them.")


@dlq.command()
@click.argument("message_ids", metavar="ID...", nargs=-1, required=True)
@queue_option
@output_option
def show(message_ids: tuple[str, ...], queue: str, output: Output) -> None:
    """Show all about a message.

    Its history, headers and body, and how to find it in the journal. ID is what `list` shows
    under Message, or the id of its order. If several messages have it, all of them are shown.
    """
    wanted = set(message_ids)
    with open_queue(queue) as dead_letters:
        found = [m for m in matching(dead_letters, Selection()) if wanted & _names_of(m)]
    if output.as_json:
        documents = [as_json(message, complete=True) for message in found]
        output.document({"queue": queue, "messages": documents})
    else:
        now = datetime.now(UTC)
        for message in found:
            output.show(*page_of(message, now), "")
    missing = wanted.difference(*map(_names_of, found))
    for name in sorted(missing):
        output.say(f"Error: there is no message '{printable(name)}' in {queue}")
    if missing:
        end(INCOMPLETE)


@dlq.command()
@queue_option
@filter_options
@limit_option()
@click.option("--to", "target", metavar="QUEUE", help="Put all into this queue.")
@rate_option
@click.option("--dry-run", is_flag=True, help="Only list what would be replayed.")
@output_option
def replay(  # noqa: PLR0913 - an option each
    queue: str,
    selection: Selection,
    limit: int | None,
    target: str | None,
    rate: float | None,
    *,
    dry_run: bool,
    output: Output,
) -> None:
    """Put messages back into the queue they failed in.

    Without a filter, all of them. Each keeps its id, its content and its history. It leaves this
    queue once the broker has confirmed its copy; if that is cut off in between, it is in both
    queues, and the consumer recognises it by its id.
    """
    if dry_run:
        with open_queue(queue) as dead_letters:
            found = list(matching(dead_letters, selection, limit))
        _list_replay(found, target, queue, output)
        return
    with (
        open_queue(queue) as dead_letters,
        watching("Replaying", dead_letters.count(), output) as watch,
    ):
        report = Replay(selection, _who(), target, limit, rate, watch).run(dead_letters)
    if output.as_json:
        output.document({"queue": queue, "replayed": report.done} | outcome_of(report))
    else:
        output.say(f"{messages_of(report.done)} replayed from {queue}")
        if report.done:
            output.say("What fails again is parked again, see: skillupworks dlq list")
        say_problems(report, output)
    end_as(report)


def _list_messages(messages: list[Parked], output: Output) -> None:
    if messages:
        now = datetime.now(UTC)
        output.show(message_table(messages, now, output.width, for_people=output.for_people))


def _list_groups(groups: list[Group], count: int, place: str, output: Output) -> None:
    if output.as_json:
        output.document([group.as_json() for group in groups])
        return
    if groups:
        output.show(group_table(groups, datetime.now(UTC)))
    output.say(_counted(sum(group.count for group in groups), count, place))


def _list_replay(found: list[Parked], target: str | None, queue: str, output: Output) -> None:
    """Say where each message would go."""
    if output.as_json:
        listed = [as_json(message) | {"target": target or message.queue} for message in found]
        output.document({"queue": queue, "messages": listed})
        return
    _list_messages(found, output)
    for name, count in Counter(target or message.queue for message in found).items():
        where = f"to {name}" if name else "nowhere: they do not say where they failed, see --to"
        output.say(f"{messages_of(count)} would be replayed {where}")
    output.say("Dry run: nothing was changed.")


def _counted(found: int, count: int, place: str) -> str:
    if not count:
        return f"{place} is empty"
    if found == count:
        return f"{messages_of(count)} in {place}"
    return f"{found:,} of {messages_of(count)} in {place}"


def _names_of(message: Parked) -> set[str]:
    """Return what `show` finds the message by."""
    order_id = order_id_of(message)
    return {message.key, order_id} if order_id else {message.key}


def _who() -> str:
    """Return who is at the keyboard, for the history of a message."""
    return f"{os.environ.get('SUDO_USER') or getpass.getuser()}@{socket.gethostname()}"
