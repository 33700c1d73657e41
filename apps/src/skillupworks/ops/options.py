"""Options that the commands of `skillupworks dlq` have in common."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, TypeVar

import click

from skillupworks.ops.output import Output
from skillupworks.ops.selection import Selection, parse_age

__all__ = ["filter_options", "limit_option", "output_option", "queue_option", "rate_option"]

Command = TypeVar("Command", bound=Callable[..., Any])

# messages per second
SLOWEST = 0.1
DEFAULT_QUEUE = "order-processing-dlq"


class _Age(click.ParamType[timedelta]):
    name = "age"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - what a caller gives
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> timedelta:
        try:
            return parse_age(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def queue_option(command: Command) -> Command:
    """Add --queue."""
    return click.option(
        "--queue", default=DEFAULT_QUEUE, show_default=True, help="The dead-letter queue."
    )(command)


def output_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --json; the command is given `output`."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
    @wraps(command)
    def with_output(*args: Any, as_json: bool, **options: Any) -> Any:  # noqa: ANN401
        return command(*args, output=Output(as_json=as_json), **options)

    return with_output


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the filters; the command is given `selection`.

    Several values of one filter are alternatives; several filters must all be met.
    """

    @click.option("--reason", multiple=True, help="Only this reason, such as invalid.")
    @click.option("--error-class", multiple=True, help="Only this class of error.")
    @click.option("--older-than", type=_Age(), metavar="AGE", help="Parked before: 10m, 2h, 3d.")
    @click.option("--newer-than", type=_Age(), metavar="AGE", help="Parked since: 10m, 2h, 3d.")
    @click.option("--order", multiple=True, metavar="ORDER-ID", help="Only this order.")
    @click.option("--message-id", multiple=True, metavar="ID", help="Only this message.")
    @wraps(command)
    def with_selection(*args: Any, **options: Any) -> Any:  # noqa: ANN401
        now = datetime.now(UTC)
        older, newer = options.pop("older_than"), options.pop("newer_than")
        selection = Selection(
            keys=frozenset(options.pop("message_id")),
            orders=frozenset(options.pop("order")),
            reasons=frozenset(options.pop("reason")),
            error_classes=frozenset(options.pop("error_class")),
            before=now - older if older is not None else None,
            after=now - newer if newer is not None else None,
        )
        return command(*args, selection=selection, **options)

    return with_selection


def limit_option(
    default: int = 0, *, explained: str = "How many at most."
) -> Callable[[Command], Command]:
    """Return what adds --limit; the command is given None for no limit."""
    return click.option(
        "--limit",
        type=int,
        default=default,
        show_default=bool(default),
        metavar="N",
        callback=_none_for_zero,
        help=explained,
    )


def rate_option(command: Command) -> Command:
    """Add --rate; the command is given None for no limit."""
    return click.option(
        "--rate",
        type=float,
        default=50,
        show_default=True,
        metavar="N",
        callback=_none_for_zero,
        help="Messages per second; 0 for no limit.",
    )(command)


def _none_for_zero(_ctx: click.Context, param: click.Parameter, value: float) -> float | None:
    """Return None for 0, which stands for no limit, and refuse what is less.

    A slower replay would hold messages for longer than RabbitMQ allows.
    """
    least = SLOWEST if param.name == "rate" else 0
    if value and not value >= least:
        raise click.BadParameter(f"{value} is less than {least}")
    return value or None
