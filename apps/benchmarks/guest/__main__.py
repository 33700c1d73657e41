"""One measurement: its kind is the argument, its job and run number come on standard input."""

import json
import sys

from benchmarks.guest.drain import drain
from benchmarks.guest.floor import fill_journal
from benchmarks.guest.load import load
from benchmarks.guest.processing import process_orders
from benchmarks.guest.publishing import publish
from benchmarks.guest.reporting import say_result
from benchmarks.job import Job

KINDS = {
    "drain": drain,
    "publish": publish,
    "orders": process_orders,
    "journal": fill_journal,
    "load": load,
}


def main() -> None:
    """Measure and report."""
    request = json.loads(sys.stdin.readline())
    kind = KINDS[sys.argv[1]]
    say_result(kind(Job.from_json(request["job"]), request["run"]))


if __name__ == "__main__":
    main()
