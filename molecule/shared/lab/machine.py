"""Boot, find, reboot and end a guest.

What belongs to a guest is what is in its cgroup: no PID is recorded, so none can be stale.
"""

import os
import select
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from lab.command import run
from lab.guest import console_log, root_directory
from lab.network import namespace_path
from lab.supervisor import Supervisor, supervisor_for

# systemd's own signals to a guest's PID 1 (man systemd, SIGNALS).
POWEROFF = signal.SIGRTMIN + 4
REBOOT = signal.SIGRTMIN + 5
NSPAWN_RUN = Path("/run/systemd/nspawn")


class Machine:
    """One guest as a running machine; all methods may be called from several threads."""

    def __init__(self, lab: str, host: str, supervisor: Supervisor | None = None) -> None:
        self._lab = lab
        self._host = host
        self._supervisor = supervisor or supervisor_for(lab)
        self._name = f"lab-{lab}-{host}"

    def start(self, options: Sequence[str] = ()) -> None:
        """Start a guest whose file system and network are there; returns before it has booted.

        `options` are given to systemd-nspawn after the lab's own.
        """
        self._tidy()
        console = console_log(self._lab, self._host)
        argv = [
            "systemd-nspawn", "--quiet", f"--directory={root_directory(self._lab, self._host)}",
            f"--machine={self._name}", f"--hostname={self._host}", "--boot",
            "--register=no", "--keep-unit", "--capability=CAP_NET_ADMIN",
            f"--network-namespace-path={namespace_path(self._lab, self._host)}",
            "--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=read-only",
            *options,
        ]  # fmt: skip
        self._supervisor.start(self._host, argv, console)

    def active(self) -> bool:
        """Tell whether the guest runs, boots or reboots, and will come back from a reboot."""
        return self._supervisor.active(self._host)

    def leader(self) -> int | None:
        """Return the PID (on this machine) of the guest's own PID 1, None where it does not run."""
        for pid in self._supervisor.processes(self._host):
            # Its PID here, its PID in the guest.
            if _process_status(pid).get("NSpid", "").split()[1:] == ["1"]:
                return pid
        return None

    def reboot(self, timeout: float) -> bool:
        """Ask the guest to reboot and wait until its old PID 1 is gone; False if it is not."""
        pid = self.leader()
        return pid is None or _signal_and_wait({pid: REBOOT}, timeout)

    def stop(self, grace: float) -> None:
        """Power the guest off; idempotent.

        Hard when it does not listen to signals yet, or takes more than `grace` seconds.
        """
        deadline = time.monotonic() + grace
        pid = self.leader()
        if pid and _heeds(pid, POWEROFF) and _signal_and_wait({pid: POWEROFF}, grace):
            # What ran the guest now tidies up and ends by itself.
            rest = dict.fromkeys(self._supervisor.processes(self._host), 0)
            _signal_and_wait(rest, deadline - time.monotonic())
        while True:
            while pids := self._supervisor.processes(self._host):
                _signal_and_wait(dict.fromkeys(pids, signal.SIGKILL), 1)
            if self._supervisor.remove(self._host):
                break
            # What came in since the last look shows at the next one.
            time.sleep(0.01)
        self._tidy()

    def _tidy(self) -> None:
        """Remove what nspawn leaves when it is killed, and what keeps it from starting again."""
        for leftover in NSPAWN_RUN.glob(f"*/{self._name}"):
            if leftover.is_mount():
                run(["umount", str(leftover)])
            leftover.rmdir()
        root = root_directory(self._lab, self._host)
        if root.exists():
            inode = root.stat()
            (NSPAWN_RUN / f"locks/inode-{inode.st_dev}:{inode.st_ino}").unlink(missing_ok=True)


def _process_status(pid: int) -> dict[str, str]:
    """Return the fields of /proc/PID/status, none where the process has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def _heeds(pid: int, number: int) -> bool:
    """Tell whether a process acts on a signal; a guest's PID 1 loses those that come too early."""
    status = _process_status(pid)
    masks = (int(status.get(name, "0"), 16) for name in ("SigCgt", "SigBlk"))
    return any(mask >> (number - 1) & 1 for mask in masks)


def _signal_and_wait(signals: dict[int, int], timeout: float) -> bool:
    """Send each process its signal (0: none) and wait until all ended; False after `timeout` s."""
    deadline = time.monotonic() + timeout
    handles = []
    try:
        for pid, number in signals.items():
            try:
                handle = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            handles.append(handle)
            if number:
                _send(handle, number)
        return all(
            select.select([handle], [], [], max(0, deadline - time.monotonic()))[0]
            for handle in handles
        )
    finally:
        for handle in handles:
            os.close(handle)


def _send(handle: int, number: int) -> None:
    try:
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return
