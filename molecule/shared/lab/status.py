"""What the hosts of a lab are doing, as a table."""

import os
from dataclasses import dataclass
from pathlib import Path

from lab.guest import read_record
from lab.inventory import Host, Lab
from lab.machine import Machine
from lab.ssh import greets


@dataclass(frozen=True)
class HostStatus:
    """The state of one host.

    running; booting; stopped (its data is kept); absent; orphaned (it runs, but what would start
    it again after a reboot was killed: `up` repairs that).
    """

    host: Host
    state: str
    pid: int | None
    uptime: float | None
    """Seconds since its boot."""


def host_status(lab: Lab, host: Host) -> HostStatus:
    """Look at one host."""
    machine = Machine(lab.name, host.name)
    pid = machine.leader()
    if pid is not None:
        if not machine.active():
            state = "orphaned"
        else:
            state = "running" if greets(str(host.address)) else "booting"
        return HostStatus(host, state, pid, _process_age(pid))
    if machine.active():
        return HostStatus(host, "booting", None, None)
    state = "stopped" if read_record(lab.name, host.name) else "absent"
    return HostStatus(host, state, None, None)


def table(statuses: list[HostStatus]) -> str:
    """Return the statuses as aligned text, one host per line below a header."""
    rows = [("HOST", "STATE", "ADDRESS", "UPTIME", "PID")]
    rows += [
        (
            status.host.name,
            status.state,
            str(status.host.address),
            "-" if status.uptime is None else _duration(status.uptime),
            "-" if status.pid is None else str(status.pid),
        )
        for status in statuses
    ]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def _process_age(pid: int) -> float | None:
    """Return the seconds since a process started, None when it just ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command name (field 2, in parentheses) may hold blanks; the start time is field 22.
    ticks = int(stat.rpartition(")")[2].split()[19])
    now = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    return now - ticks / os.sysconf("SC_CLK_TCK")


def _duration(seconds: float) -> str:
    """Return a duration as people read it: 42 s, 5 min, 3 h 07 min."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min" if minutes else f"{rest} s"
