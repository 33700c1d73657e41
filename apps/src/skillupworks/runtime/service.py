"""The command line and life of a service: check, migrate or serve, and what status it ends with."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import structlog
from prometheus_client import disable_created_metrics

from skillupworks.errors import ConfigurationError, SkillUpWorksError
from skillupworks.runtime import logging
from skillupworks.runtime.database import describe
from skillupworks.runtime.settings import DatabaseSettings, Settings, load

if TYPE_CHECKING:
    from queue import SimpleQueue

__all__ = ["Service", "run", "wait_for_stop"]

log = structlog.get_logger()

# systemd does not restart a unit that ends with it (RestartPreventExitStatus=78)
EX_CONFIG = os.EX_CONFIG
# a request or a commit that waits for a database longer than a stop may take
EXIT_SECONDS = 1.0

ServiceSettings = TypeVar("ServiceSettings", bound=Settings)


@dataclass(frozen=True)
class Service(Generic[ServiceSettings]):
    """A service, as its module describes it.

    `check` raises ConfigurationError for what settings alone cannot tell (a file's content).
    `serve` runs until it is told to stop. A service with a schema has `migrate`, which brings it up
    to date and returns the line to print; it is given the settings of the database alone, so that
    it can run before anything else exists.
    """

    name: str
    description: str
    settings: type[ServiceSettings]
    check: Callable[[ServiceSettings], None]
    serve: Callable[[ServiceSettings], None]
    database: type[Settings] = DatabaseSettings
    # takes what `database` says
    migrate: Callable[[Any], str] | None = None


def run(service: Service[ServiceSettings]) -> int:
    """Do what the command line says and return the exit status: 0, 1, or 78 for wrong settings.

    Ends the process by itself when threads that began here have not ended EXIT_SECONDS later: at
    its own end Python would wait for them for as long as they take.
    """
    others = set(threading.enumerate())
    status = _run(service)
    deadline = monotonic() + EXIT_SECONDS
    for thread in (mine := [each for each in threading.enumerate() if each not in others]):
        if not thread.daemon:
            thread.join(max(0.0, deadline - monotonic()))
    if left := [thread.name for thread in mine if thread.is_alive() and not thread.daemon]:
        log.warning(f"Not waited for, they are still at work: {', '.join(left)}")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def _run(service: Service[ServiceSettings]) -> int:
    options = _parse(service)
    if options.version:
        sys.stdout.write(f"{service.name} {version('skillupworks')}\n")
        return 0
    migrate = service.migrate if options.migrate else None
    logging.configure(service.name)
    # a time of creation beside each series doubles them and tells nothing
    disable_created_metrics()  # type: ignore[no-untyped-call]
    try:
        if migrate:
            sys.stdout.write(migrate(load(service.database)) + "\n")
            return 0
        settings = load(service.settings)
        service.check(settings)
        if options.check_config:
            sys.stdout.write("configuration ok\n")
        else:
            service.serve(settings)
    except ConfigurationError as error:
        for problem in error.problems:
            _say(problem, plain=options.check_config or bool(migrate))
        return EX_CONFIG
    except (SkillUpWorksError, OSError) as error:
        _say(f"Error: {error}", plain=bool(migrate))
        return 1
    except Exception as error:
        if not migrate:
            raise  # logged with its traceback
        _say(f"Error: {describe(error)}", plain=True)
        return 1
    return 0


def wait_for_stop(stop: Callable[[], None], ended: "SimpleQueue[str]") -> None:
    """Call `stop` at SIGTERM or SIGINT, and return once somebody puts into `ended`.

    Belongs to the main thread. The handler only puts into a SimpleQueue, which is reentrant; any
    lock it took could be held by the code it interrupts.
    """

    def on_signal(number: int, _frame: FrameType | None) -> None:
        ended.put(signal.Signals(number).name)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    while (event := ended.get()) in ("SIGTERM", "SIGINT"):
        log.info(f"Stopping: {event}")
        stop()


@dataclass(frozen=True)
class _Options:
    check_config: bool = False
    migrate: bool = False
    version: bool = False


def _parse(service: Service[ServiceSettings]) -> _Options:
    if not sys.argv[1:]:
        return _Options()
    # 300 kB that who serves need not have for all its life
    import argparse  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog=service.name, description=service.description)
    action = parser.add_mutually_exclusive_group()
    action.add_argument(
        "--check-config", action="store_true", help="say whether the service would start, and exit"
    )
    if service.migrate:
        action.add_argument(
            "--migrate",
            action="store_true",
            help="bring the database's schema up to date, and exit",
        )
    action.add_argument("--version", action="store_true", help="print the version, and exit")
    return _Options(**vars(parser.parse_args()))


def _say(line: str, *, plain: bool) -> None:
    """Print for the person at the command line, log for everybody else."""
    if plain:
        sys.stderr.write(line + "\n")
    else:
        log.error(line)
