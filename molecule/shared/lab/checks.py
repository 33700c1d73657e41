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


def check_resources(new_guests: int, starting: int, new_images: int, directory: Path) -> None:
    """Raise HostError where `directory`'s disk or this machine's memory is too small.

    Disk is for guests and images still to be made, memory for guests still to be started.
    """
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    disk = shutil.disk_usage(existing).free
    disk_needed = new_guests * GUEST_DISK + new_images * IMAGE_DISK
    if disk < disk_needed:
        raise HostError(
            f"too little disk: {disk // MIB} MiB free in {existing}, "
            f"{disk_needed // MIB} MiB needed for {new_guests} hosts"
        )
    memory = _available_memory()
    memory_needed = starting * GUEST_MEMORY
    if memory < memory_needed:
        raise HostError(
            f"too little memory: {memory // MIB} MiB available, "
            f"{memory_needed // MIB} MiB needed for {starting} hosts"
        )


def _available_memory() -> int:
    """Return the bytes that programs can get without swapping."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise HostError("/proc/meminfo has no MemAvailable")
