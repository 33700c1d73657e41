"""Measures what journald takes: a bare loop that sends the same entries as the order processor."""

import json
import socket
import subprocess
import sys
import time
from typing import Any

from benchmarks.guest.clients import PEERS, ROOT
from benchmarks.guest.orders import order_id
from benchmarks.guest.processing import ENTRIES
from benchmarks.guest.reporting import say
from benchmarks.guest.units import NAMESPACE, journal, running
from benchmarks.job import Job

__all__ = ["fill_journal"]

JOURNAL_SOCKET = "/run/systemd/journal/socket"
IDENTIFIER = "benchmark-floor"
# an interval of 0 would be none of its own, and journald's limit
UNLIMITED = ("--property=LogRateLimitIntervalSec=1s", "--property=LogRateLimitBurst=10000000")


def fill_journal(job: Job, run: int) -> dict[str, Any]:
    """Send the entries of so many orders from a unit, and return the rate.

    Raises RuntimeError when an entry did not get into the journal.
    """
    say("began")
    with running(job):
        command = ["systemd-run", "--wait", "--pipe", "--collect", "--quiet"]
        command += [f"--property=LogNamespace={NAMESPACE}", *UNLIMITED]
        command += [f"--setenv=PYTHONPATH={ROOT}:{PEERS}", sys.executable]
        command += ["-m", "benchmarks.guest.floor", str(run), str(job.messages)]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        say("ended")
        wanted = job.messages * len(json.loads(ENTRIES.read_text()))
        found = journal("--output=cat", f"SYSLOG_IDENTIFIER={IDENTIFIER}").count("\n")
        if found != wanted:
            raise RuntimeError(f"{found} lines in the journal, not {wanted}")
    seconds = float(result.stdout)
    return {"rate": job.messages / seconds, "seconds": seconds, "messages": job.messages}


def send(run: int, count: int) -> float:
    """Send the entries of `count` orders; return the seconds that journald made it take."""
    placeholder = b"\0"
    templates = []
    for entry in json.loads(ENTRIES.read_text()):
        entry["SYSLOG_IDENTIFIER"] = IDENTIFIER
        fields = "".join(f"{name}={value}\n" for name, value in entry.items())
        templates.append(fields.encode().replace(entry["ORDER_ID"].encode(), placeholder))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(JOURNAL_SOCKET)
        began = time.monotonic()
        for number in range(count):
            identifier = order_id(run, number).encode()
            for template in templates:
                sock.send(template.replace(placeholder, identifier))
        return time.monotonic() - began


if __name__ == "__main__":
    sys.stdout.write(f"{send(int(sys.argv[1]), int(sys.argv[2]))}\n")
