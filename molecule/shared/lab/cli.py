"""The command line: python -m lab --inventory inventory/lab up|down|status|reboot HOST."""

import argparse
import sys
from collections.abc import Sequence

from lab.checks import check_root
from lab.errors import LabError
from lab.inventory import Lab, read_lab
from lab.operations import down, reboot, up
from lab.progress import progress_printer
from lab.status import host_status, table

EXIT_FAILED = 1
EXIT_NOT_RUNNING = 3
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status.

    0: done (status: all hosts run); 1: refused or failed, with one line on standard error;
    2: wrong usage; 3: status found a host that does not run; 130: interrupted.
    """
    options = _parser().parse_args(arguments)
    try:
        check_root()
        return _run(options, read_lab(options.inventory))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        for line in error.details:
            print(f"    {line}", file=sys.stderr)
        return EXIT_FAILED
    except OSError as error:
        print(f"lab: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("lab: interrupted; `up` goes on from here, `down` removes it", file=sys.stderr)
        return EXIT_INTERRUPTED


def _run(options: argparse.Namespace, lab: Lab) -> int:
    progress = progress_printer(lab.name)
    match options.command:
        case "up":
            up(lab, progress, options.boot_timeout)
        case "down":
            down(lab.name, progress)
        case "reboot":
            reboot(lab, options.host, progress, options.boot_timeout)
        case "status":
            statuses = [host_status(lab, host) for host in lab.hosts]
            print(table(statuses))
            if any(status.state != "running" for status in statuses):
                return EXIT_NOT_RUNNING
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lab", description="Boot the hosts of an Ansible inventory as systemd-nspawn guests."
    )
    parser.add_argument(
        "--inventory",
        action="append",
        required=True,
        metavar="PATH",
        help="inventory with lab_name, lab_subnet and ansible_host; several are merged in order",
    )
    parser.add_argument(
        "--boot-timeout",
        type=float,
        default=60,
        metavar="SECONDS",
        help="how long a host may take until SSH answers (default: %(default)s)",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start what does not run and wait until SSH answers")
    commands.add_parser("down", help="power everything off and delete it with its data")
    commands.add_parser("status", help="show each host; exit status 3 unless all run")
    commands.add_parser("reboot", help="reboot one host").add_argument("host", metavar="HOST")
    return parser
