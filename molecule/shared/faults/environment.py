"""What the platform runs on, for the report."""

import os
import platform as machine
import re
from pathlib import Path

from tests.helpers.parts import Parts
from tests.helpers.services import PYTHON

GIB = 2**30


def describe_platform(parts: Parts) -> dict[str, str]:
    """Return names and versions of what a run depends on."""
    overview = parts.broker.get("/overview")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    system = parts.payment.run(". /etc/os-release; echo $PRETTY_NAME")
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB,"
        f" Linux {machine.release()}",
        "hosts": f"{len(parts.platform.names)} systemd-nspawn guests on it, {system}",
        "broker": f"RabbitMQ {overview['rabbitmq_version']}, Erlang {overview['erlang_version']}",
        "database": parts.database.value("SELECT @@version"),
        "python": parts.payment.run(f"{PYTHON} --version"),
        "release": parts.payment.run("basename $(readlink -f /opt/skillupworks/current)"),
    }


def _processor() -> str:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else machine.machine()
