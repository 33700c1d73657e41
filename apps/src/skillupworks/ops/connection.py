"""Where the tool finds the broker: in the environment, or in the file that Ansible writes."""

import os
import re
from pathlib import Path

from skillupworks.errors import ConfigurationError
from skillupworks.messaging.connection import Broker
from skillupworks.messaging.dead_letters import BrokerDeadLetters
from skillupworks.runtime.settings import BrokerSettings, load

__all__ = ["ENVIRONMENT_FILE", "open_dead_letters", "read_environment_file"]

ENVIRONMENT_FILE = Path("/etc/skillupworks/skillupworks.env")
REQUIRED = ("RABBITMQ_HOST", "RABBITMQ_USER", "RABBITMQ_PASS")

ASSIGNMENT = re.compile(
    r"""(?P<name>[A-Za-z_][A-Za-z0-9_]*)=
        (?:"(?P<double>(?:[^"\\]|\\.)*)" | '(?P<single>[^']*)' | (?P<bare>[^"'\\\s][^"'\\]*)?)
        \s*""",
    re.VERBOSE,
)


def open_dead_letters(queue: str, file: Path = ENVIRONMENT_FILE) -> BrokerDeadLetters:
    """Connect to the broker.

    A variable of the environment goes before the same one of the file, and the file is read only
    when the environment leaves something out. Raises ConfigurationError or BrokerUnavailableError.
    """
    if not all(os.environ.get(name) for name in REQUIRED):
        for name, value in _read(file).items():
            if not os.environ.get(name):
                os.environ[name] = value
    return BrokerDeadLetters(Broker.from_settings(load(BrokerSettings), "skillupworks dlq"), queue)


def read_environment_file(text: str) -> dict[str, str]:
    """Return the variables of a file in the syntax of systemd's EnvironmentFile=.

    Raises ValueError with the number of the first line that is none. A value that goes on in the
    next line is not supported.
    """
    variables = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith(("#", ";")):
            continue
        match = ASSIGNMENT.fullmatch(line.strip())
        if match is None:
            raise ValueError(f'line {number} is not of the form NAME="value"')
        double = match["double"]
        if double is not None:
            variables[match["name"]] = re.sub(r'\\(["\\$`])', r"\1", double)
        else:
            variables[match["name"]] = match["single"] or (match["bare"] or "").rstrip()
    return variables


def _read(file: Path) -> dict[str, str]:
    try:
        return read_environment_file(file.read_text())
    except FileNotFoundError:
        raise ConfigurationError(
            f"there is no {file} on this host: run this on the broker or on a host of the"
            f" services, or set {', '.join(REQUIRED[:-1])} and {REQUIRED[-1]}"
        ) from None
    except PermissionError:
        raise ConfigurationError(f"only root may read {file}: run this with sudo") from None
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"{file}: {error}") from None
