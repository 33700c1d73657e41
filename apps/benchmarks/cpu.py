"""Who uses the machine's cores: processor time by lab host and systemd unit.

The lab's hosts are guests of this machine, so that it sees their processes.
"""

import os
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

__all__ = ["Usage", "difference", "usage"]

# a guest's process in the unified hierarchy: …/skillupworks-lab/LAB/HOST/payload/SLICE/UNIT…
GROUP = re.compile(r"^0::/skillupworks-lab/([^/]+)/([^/]+)/payload/(.*)$", re.MULTILINE)
TICKS = os.sysconf("SC_CLK_TCK")
# what is neither broker, database nor journal is the client
PARTS = {"rabbitmq-server.service": "broker", "mariadb.service": "database"}

Usage = Mapping[str, float]


def usage(lab: str) -> Usage:
    """Return the seconds that each part of the lab has used so far."""
    seconds: dict[str, float] = defaultdict(float)
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            group = GROUP.search((folder / "cgroup").read_text())
            if group is None or group[1] != lab:
                continue
            # after the name in brackets; user and system time are fields 14 and 15 of the line
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        seconds[_part(group[3])] += (int(fields[11]) + int(fields[12])) / TICKS
    return seconds


def difference(before: Usage, after: Usage) -> dict[str, float]:
    """Return what was used in between."""
    return {part: round(after[part] - before.get(part, 0.0), 2) for part in sorted(after)}


def _part(path: str) -> str:
    unit = next((name for name in path.split("/") if name.endswith((".service", ".scope"))), "")
    if unit.startswith("systemd-journald"):
        return "journal"
    if unit.startswith(("order-processor-benchmark", "payment-benchmark")):
        return unit.partition("-benchmark")[0]
    return PARTS.get(unit, "client")
