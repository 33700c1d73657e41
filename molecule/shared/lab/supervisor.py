"""What keeps a guest running: starts it in a cgroup of its own, again when it reboots.

Where PID 1 of this machine is systemd, a guest is a transient service. Elsewhere three lines of
shell do the same. Both write the guest's console to a file, and both are found by name alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from lab.cgroup import hierarchies, processes_in, remove_cgroups
from lab.command import SYSTEM_PATH, run

# nspawn's exit status for "the guest asked for a reboot": whoever runs nspawn starts it again.
REBOOT_STATUS = 133
# As on a host of its own, a guest's network settings (sysctl net.*) are its to change.
NSPAWN_SETTING = "SYSTEMD_NSPAWN_API_VFS_WRITABLE=network"

# Arguments: the console's file, the cgroup directories, "--", the command.
SHELL_START = f"""
console=$1; shift
while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit; shift; done; shift
loop='while :; do "$@"; [ $? -eq {REBOOT_STATUS} ] || exit; done'
exec env -i PATH={SYSTEM_PATH} {NSPAWN_SETTING} setsid --fork sh -c "$loop" lab-guest "$@" \
    < /dev/null >> "$console" 2>&1
"""


class Supervisor(Protocol):
    """Runs the guests of one lab."""

    def start(self, host: str, argv: Sequence[str], console: Path) -> None:
        """Start a guest's command; returns when it is in its cgroup, before it has booted."""

    def active(self, host: str) -> bool:
        """Tell whether the guest is looked after: it runs, boots or reboots.

        A guest may live on when what looks after it was killed.
        """

    def processes(self, host: str) -> list[int]:
        """Return the PIDs of all that the guest runs and of what runs the guest."""

    def remove(self, host: str) -> bool:
        """Forget a guest; False where one of its processes has not ended; idempotent."""

    def hosts(self) -> set[str]:
        """Return the guests known to the supervisor."""

    def close(self) -> None:
        """Leave nothing of the lab behind; all its guests are removed."""


def supervisor_for(lab: str) -> Supervisor:
    """Return the supervisor that fits this machine's PID 1."""
    if Path("/run/systemd/system").is_dir():
        return SystemdSupervisor(lab)
    return ShellSupervisor(lab)


class ShellSupervisor:
    """Guests under a shell loop each, in cgroups that the lab makes itself."""

    def __init__(self, lab: str) -> None:
        self._tops = [tree / "skillupworks-lab" for tree in hierarchies()]
        self._lab = lab

    def start(self, host: str, argv: Sequence[str], console: Path) -> None:
        """See Supervisor."""
        directories = self._directories(host)
        for directory in directories:
            directory.mkdir(parents=True, exist_ok=True)
        words = [str(console), *map(str, directories), "--", *argv]
        run(["sh", "-c", SHELL_START, "lab-start", *words])

    def active(self, host: str) -> bool:
        """See Supervisor."""
        # The loop stays where it was put; nspawn and the guest make cgroups of their own below.
        return any(
            (directory / "cgroup.procs").read_text(encoding="ascii")
            for directory in self._directories(host)
            if directory.is_dir()
        )

    def processes(self, host: str) -> list[int]:
        """See Supervisor."""
        return processes_in(self._directories(host))

    def remove(self, host: str) -> bool:
        """See Supervisor."""
        return remove_cgroups(self._directories(host))

    def hosts(self) -> set[str]:
        """See Supervisor."""
        labs = [top / self._lab for top in self._tops]
        return {
            path.name for lab in labs if lab.is_dir() for path in lab.iterdir() if path.is_dir()
        }

    def close(self) -> None:
        """See Supervisor."""
        for top in self._tops:
            remove_cgroups([top / self._lab])
            if top.is_dir() and not any(path.is_dir() for path in top.iterdir()):
                top.rmdir()

    def _directories(self, host: str) -> list[Path]:
        return [top / self._lab / host for top in self._tops]


class SystemdSupervisor:
    """Guests as transient services `lab-LAB-HOST.service` of this machine's systemd."""

    def __init__(self, lab: str) -> None:
        self._prefix = f"lab-{lab}-"

    def start(self, host: str, argv: Sequence[str], console: Path) -> None:
        """See Supervisor."""
        properties = [
            "Type=exec", "Delegate=yes", "KillMode=mixed", "TimeoutStopSec=10",
            f"RestartForceExitStatus={REBOOT_STATUS}", f"SuccessExitStatus={REBOOT_STATUS}",
            "StartLimitIntervalSec=0", "TasksMax=infinity",
            f"StandardOutput=append:{console}", f"StandardError=append:{console}",
            f"Environment={NSPAWN_SETTING}",
        ]  # fmt: skip
        options = [f"--property={setting}" for setting in properties]
        run(["systemd-run", "--quiet", "--collect", f"--unit={self._unit(host)}", *options, *argv])

    def active(self, host: str) -> bool:
        """See Supervisor."""
        return self._show(host, "ActiveState") not in ("inactive", "failed")

    def processes(self, host: str) -> list[int]:
        """See Supervisor."""
        group = self._show(host, "ControlGroup").lstrip("/")
        return processes_in([tree / group for tree in hierarchies()] if group else [])

    def remove(self, host: str) -> bool:
        """See Supervisor."""
        if self.active(host):
            run(["systemctl", "stop", self._unit(host)])
        return True

    def hosts(self) -> set[str]:
        """See Supervisor."""
        pattern = f"{self._prefix}*.service"
        listing = run(["systemctl", "list-units", "--all", "--plain", "--no-legend", pattern])
        units = [line.split()[0] for line in listing.splitlines()]
        return {unit.removeprefix(self._prefix).removesuffix(".service") for unit in units}

    def close(self) -> None:
        """See Supervisor."""

    def _unit(self, host: str) -> str:
        return f"{self._prefix}{host}.service"

    def _show(self, host: str, setting: str) -> str:
        return run(
            ["systemctl", "show", f"--property={setting}", "--value", self._unit(host)]
        ).strip()
