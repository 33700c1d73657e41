"""The command `skillupworks`: what an operator needs beside systemctl and journalctl."""

import sys
from io import TextIOWrapper
from typing import Any

import click
from click.shell_completion import get_completion_class

from skillupworks.errors import SkillUpWorksError
from skillupworks.ops.dlq import dlq

__all__ = ["main"]

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
COMPLETION = "_SKILLUPWORKS_COMPLETE"


class _Group(click.Group):
    """Says the platform's own errors in one line, and ends with status 1."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - whatever the command returns
        try:
            return super().invoke(ctx)
        except SkillUpWorksError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group, context_settings=CONTEXT)
@click.version_option(package_name="skillupworks", prog_name="skillupworks")
def skillupworks() -> None:
    """Operate the SkillUpWorks platform."""


@skillupworks.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete this command.

    For all users of a host:
    skillupworks completion bash > /etc/bash_completion.d/skillupworks
    """
    complete = get_completion_class(shell)
    if complete is not None:
        click.echo(complete(skillupworks, {}, "skillupworks", COMPLETION).source())


skillupworks.add_command(dlq)


def main() -> None:
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may know ASCII only
    skillupworks(prog_name="skillupworks", complete_var=COMPLETION)
