"""The page that tells all about one parked message."""

import json
import shlex
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from skillupworks.messaging.parked import Parked, text_of
from skillupworks.ops.output import plain, printable
from skillupworks.ops.rendering import time_of
from skillupworks.ops.selection import order_id_of
from skillupworks.ops.typed_json import to_plain

__all__ = ["page_of"]

# a larger body is cut
BODY_CHARACTERS = 8000
DUMP_BYTES = 256

# what Parked reads, and the page says in its own words
READ_HEADERS = frozenset(
    f"skillupworks-{name}"
    for name in (
        *("reason", "error", "error-class", "attempts", "first-failed-at", "last-failed-at"),
        *("queue", "exchange", "routing-key", "replays", "history"),
    )
)
BROKER_HEADERS = ("x-death", "x-first-death-", "x-last-death-")
READ_PROPERTIES = ("message_id", "delivery_mode")


def page_of(message: Parked, now: datetime) -> Iterator[RenderableType]:
    """Yield all that is known about a message."""
    yield Text(printable(message.key), style="bold")
    yield _fields(_facts(message, now))
    if message.deaths:
        yield _heading("Moved by RabbitMQ")
        yield _fields(
            (
                time_of(death.time, now),
                f"{death.reason} in {death.queue}" + (f", {death.count} times" * (death.count > 1)),
            )
            for death in message.deaths
        )
    if message.history:
        yield _heading("History")
        yield from (_indented(Text(printable(line))) for line in message.history)
    if others := _others(message):
        yield _heading("Other headers and properties")
        yield _fields((str(name), plain(to_plain(value))) for name, value in others.items())
    yield _heading(f"Body, {len(message.body):,} bytes")
    yield _indented(Text(_body(message.body)))
    yield _heading("In the journal of each host")
    yield from (_indented(Text(printable(line))) for line in _searches(message))


def _facts(message: Parked, now: datetime) -> Iterator[tuple[str, str]]:
    exchange, routing_key = message.source
    facts = (
        ("Reason", message.reason),
        ("Error", message.error),
        ("Error class", message.error_class),
        ("Order", order_id_of(message) or ""),
        ("Attempts", str(message.attempts or "")),
        ("First failed", time_of(message.first_failed_at, now)),
        ("Parked", time_of(message.parked_at, now)),
        ("Failed in", message.queue or ""),
        ("Published to", f"{exchange}, routing key {routing_key}" if exchange else ""),
        ("Replays", str(message.replays or "")),
        ("Looked at", f"{message.returned} times before" if message.returned else ""),
        ("Trace id", message.trace_id or ""),
    )
    return ((name, text) for name, text in facts if text)


def _others(message: Parked) -> dict[str, object]:
    """Return what is not said above already."""
    headers = {
        name: value
        for name, value in message.headers.items()
        if name not in READ_HEADERS and not text_of(name).startswith(BROKER_HEADERS)
    }
    properties = {
        name: value for name, value in message.properties.items() if name not in READ_PROPERTIES
    }
    return {**headers, **properties}


def _searches(message: Parked) -> Iterator[str]:
    """Yield the commands that find the message's story."""
    matches = {
        "MESSAGE_ID": message.message_id,
        "ORDER_ID": order_id_of(message),
        "TRACE_ID": message.trace_id,
    }
    for name, value in matches.items():
        if value:
            yield f"journalctl {name}={shlex.quote(value)}"
    if not any(matches.values()):
        yield "nothing to search by: it has neither an id, nor an order, nor a trace"


def _body(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        cut = " …" if len(body) > DUMP_BYTES else ""
        return f"is not text, it begins with: {body[:DUMP_BYTES].hex(' ')}{cut}"
    with suppress(ValueError, RecursionError):  # then it is shown as it is
        text = json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    if len(text) > BODY_CHARACTERS:
        more = len(text) - BODY_CHARACTERS
        text = f"{text[:BODY_CHARACTERS]}\n… and {more:,} characters more; --json has them all"
    return printable(text, on_one_line=False)


def _fields(rows: Iterable[tuple[str, str]]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(Text(printable(name)), Text(printable(text)))
    return _indented(table)


def _indented(renderable: RenderableType) -> RenderableType:
    return Padding(renderable, (0, 0, 0, 2), expand=False)


def _heading(text: str) -> Text:
    return Text(f"\n{text}", style="bold")
