"""The cgroup trees in which guests are kept apart and found again."""

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from lab.errors import HostError


def hierarchies() -> list[Path]:
    """Return the mounted trees that track processes: cgroup v2, systemd's named v1, or both.

    Both on a hybrid machine; its resource controllers' trees do not matter to guests.
    """
    found = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        mount, _, source = line.partition(" - ")
        kind, _, options = source.split()
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            found.append(Path(mount.split()[4]))
    if not found:
        raise HostError("no cgroup tree is mounted below /sys/fs/cgroup: systemd guests need one")
    return found


def processes_in(directories: Iterable[Path]) -> list[int]:
    """Return the PIDs in these cgroups and all below; a missing directory holds none."""
    pids: set[int] = set()
    for directory in directories:
        # A running guest makes and removes cgroups all the time; os.walk steps over the gone.
        for path, _, _ in os.walk(directory):
            try:
                text = Path(path, "cgroup.procs").read_text(encoding="ascii")
            except OSError:
                continue
            pids.update(int(word) for word in text.split())
    # A zero stands for a process that this PID namespace cannot see.
    return sorted(pids - {0})


def remove_cgroups(directories: Iterable[Path]) -> bool:
    """Remove these cgroups and all below; idempotent.

    False where a process is still in one of them, or has come into it meanwhile: what a killed
    command left at work moves itself there, and no earlier look has seen it.
    """
    for directory in directories:
        for path, _, _ in os.walk(directory, topdown=False):
            try:
                Path(path).rmdir()
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                return False
    return True
