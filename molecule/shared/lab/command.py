"""Run the machine's own tools (ip, nft, mount, ssh-keygen …) and report their failures."""

import os
import subprocess
from collections.abc import Sequence

from lab.errors import CommandError

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def tool_path() -> str:
    """Return the search path for tools: the caller's, then the system's with its sbin."""
    return f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"


def run(argv: Sequence[str], *, text: str | None = None, timeout: float = 60) -> str:
    """Run one tool to its end and return what it printed.

    `text` is given to it on standard input; `timeout` is in seconds. Raises CommandError
    naming the tool and its last line on standard error. Safe to call from several threads.
    """
    environment = {**os.environ, "PATH": tool_path(), "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            argv,
            input="" if text is None else text,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment,
            check=False,
        )
    except FileNotFoundError as error:
        raise CommandError(f"{argv[0]}: no such tool on this machine") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{argv[0]} did not end within {timeout:.0f} s") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise CommandError(f"{' '.join(argv)}: {lines[-1]}")
    return done.stdout
