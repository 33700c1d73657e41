"""What this machine must offer before the lab changes anything on it."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from lab.command import tool_path
from lab.errors import HostError

# Tool → Debian package that brings it.
TOOLS: Mapping[str, str] = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "nft": "nftables",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "mount": "mount",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "apt-config": "apt",
}
MIB = 1024 * 1024
# A guest of the platform (broker or database with data, installed packages, one release).
GUEST_MEMORY = 400 * MIB
GUEST_DISK = 1536 * MIB
IMAGE_DISK = 1024 * MIB


def check_root() -> None:
    """Raise HostError for anyone but root: guests, bridges and mounts need it."""
    if os.geteuid() != 0:
        raise HostError("the lab needs root (mounts, network, guests): run it with sudo")


def check_tools(tools: Mapping[str, str] = TOOLS) -> None:
    """Raise HostError naming each missing tool's Debian package."""
    path = tool_path()
    missing = [tool for tool in tools if shutil.which(tool, path=path) is None]
    if missing:
        packages = " ".join(sorted({tools[tool] for tool in missing}))
        raise HostError(f"missing: {', '.join(missing)} (apt-get install {packages})")


def check_disk(needed: Mapping[Path, int]) -> None:
    """Raise HostError where a file system has less room than the bytes needed in its directories.

    Directories that do not exist yet count for the file system they will be made on.
    """
    wanted: dict[int, int] = {}
    for directory, size in needed.items():
        existing = next(path for path in (directory, *directory.parents) if path.exists())
        device = existing.stat().st_dev
        wanted[device] = wanted.get(device, 0) + size
        free = shutil.disk_usage(existing).free
        if free < wanted[device]:
            raise HostError(
                f"too little disk: {free // MIB} MiB free in {existing}, "
                f"{wanted[device] // MIB} MiB needed"
            )


def check_memory(guests: int) -> None:
    """Raise HostError where this machine's memory is too small to start this many guests."""
    available = _available_memory()
    needed = guests * GUEST_MEMORY
    if available < needed:
        raise HostError(
            f"too little memory: {available // MIB} MiB available, "
            f"{needed // MIB} MiB needed to start {guests} hosts"
        )


def _available_memory() -> int:
    """Return the bytes that programs can get without swapping."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise HostError("/proc/meminfo has no MemAvailable")
