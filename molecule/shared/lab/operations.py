"""The four things one does with a lab: up, down, status, reboot."""

import re
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from lab.checks import (
    GUEST_DISK,
    IMAGE_DISK,
    check_disk,
    check_memory,
    check_tools,
)
from lab.errors import GuestError, LabError
from lab.guest import (
    all_recorded_guests,
    check_address,
    console_log,
    create_guest,
    destroy_guest,
    guest_directories,
    mount_guest,
    read_record,
    recorded_guests,
)
from lab.image import build_image, build_mirrors, find_images, prune_images
from lab.inventory import Host, Lab
from lab.machine import Machine
from lab.network import (
    bridge_name,
    check_subnet,
    create_network,
    dropping_chains,
    guest_namespaces,
    remove_guest_network,
    remove_network,
)
from lab.paths import CACHE, STATE, lab_directory, locked
from lab.progress import Progress
from lab.ssh import ensure_key, wait_for_login, write_client_files
from lab.supervisor import supervisor_for

STOP_GRACE = 15.0
CONSOLE_LINES = 15
TERMINAL_CODES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|.)|[\x00-\x08\x0e-\x1f]")
T = TypeVar("T")


def up(lab: Lab, progress: Progress, boot_timeout: float) -> None:
    """Bring all hosts of the lab to where SSH answers; running ones are left alone.

    Stopped ones start with the data they have. `boot_timeout` is in seconds and for each host.
    On an error nothing that this call made stays.
    """
    check_tools()
    with locked(f"lab-{lab.name}", progress):
        check_subnet(lab)
        check_address(lab)
        images = find_images({host.image for host in lab.hosts})
        stopped = [host for host in lab.hosts if not Machine(lab.name, host.name).active()]
        new = [host for host in stopped if read_record(lab.name, host.name) is None]
        to_build = [name for name, path in images.items() if not path.is_dir()]
        check_disk({STATE: len(new) * GUEST_DISK, CACHE: len(to_build) * IMAGE_DISK})
        check_memory(len(stopped))
        try:
            for name, path in images.items():
                build_image(name, path, progress)
            options = build_mirrors(images.keys(), progress)
            # Nothing runs there, unless somebody killed what looks after a guest.
            _for_each(stopped, lambda host: Machine(lab.name, host.name).stop(STOP_GRACE))
            _start(lab, stopped, new, images, options)
            _for_each(lab.hosts, lambda host: _await_login(lab, host, progress, boot_timeout))
        except (LabError, OSError):
            _undo(lab, stopped, new)
            raise
    prune_images({Path(guest.image) for guest in all_recorded_guests()})
    for chain in dropping_chains():
        progress(
            f"warning: the firewall chain {chain!r} of this machine drops forwarded packets; "
            f"hosts cannot download packages unless it lets {bridge_name(lab.name)} through"
        )
    progress(f"{len(stopped)} hosts started, {len(lab.hosts) - len(stopped)} were running")


def down(lab: str, progress: Progress) -> None:
    """Power off and delete everything of a lab, whatever state it is in; idempotent."""
    check_tools({"ip": "iproute2", "nft": "nftables"})
    with locked(f"lab-{lab}", progress):
        count = _remove(lab, STOP_GRACE)
    progress(f"down, {count} hosts removed")


def reboot(lab: Lab, name: str, progress: Progress, boot_timeout: float) -> None:
    """Reboot one host and wait until SSH answers again: same address, same data."""
    host = lab.host(name)
    with locked(f"lab-{lab.name}", progress):
        machine = Machine(lab.name, name)
        if not machine.active():
            raise GuestError(f"host {name} does not run: start it with up")
        progress(f"{name} reboots")
        if not machine.reboot(boot_timeout):
            raise GuestError(
                f"host {name} did not go down within {boot_timeout:g} s",
                _console_end(lab.name, name),
            )
        _await_login(lab, host, progress, boot_timeout)


def _start(
    lab: Lab,
    stopped: list[Host],
    new: list[Host],
    images: Mapping[str, Path],
    options: Mapping[str, list[str]],
) -> None:
    """Start guests that do not run, in parallel; creates those that are new."""
    public_key = ensure_key(lab.name)
    create_network(lab, stopped)

    def start(host: Host) -> None:
        if host in new:
            create_guest(lab, host, images[host.image], public_key)
        else:
            mount_guest(lab.name, host.name)
        Machine(lab.name, host.name).start([*options[host.image], *host.options])

    _for_each(stopped, start)
    write_client_files(lab.name, recorded_guests(lab.name))


def _await_login(lab: Lab, host: Host, progress: Progress, boot_timeout: float) -> None:
    started = time.monotonic()
    machine = Machine(lab.name, host.name)
    try:
        wait_for_login(
            lab.name, host.name, str(host.address), timeout=boot_timeout, alive=machine.active
        )
    except GuestError as error:
        raise GuestError(str(error), _console_end(lab.name, host.name)) from error
    progress(f"{host.name} ({host.address}) answers after {time.monotonic() - started:.1f} s")


def _undo(lab: Lab, stopped: Iterable[Host], new: Iterable[Host]) -> None:
    """Take back a failed start: what was created goes, what only did not run is stopped again."""

    def undo(host: Host) -> None:
        Machine(lab.name, host.name).stop(0)
        remove_guest_network(lab.name, host.name)
        if host in new:
            destroy_guest(lab.name, host.name)

    _for_each(stopped, undo)
    if recorded_guests(lab.name):
        write_client_files(lab.name, recorded_guests(lab.name))
    else:
        _remove(lab.name, 0)


def _remove(lab: str, grace: float) -> int:
    """Delete everything of a lab and return how many hosts that were."""
    supervisor = supervisor_for(lab)
    hosts = guest_directories(lab) | supervisor.hosts() | guest_namespaces(lab)

    def remove(host: str) -> None:
        Machine(lab, host).stop(grace)
        destroy_guest(lab, host)

    _for_each(hosts, remove)
    supervisor.close()
    remove_network(lab)
    shutil.rmtree(lab_directory(lab), ignore_errors=True)
    if STATE.is_dir() and not STATE.is_mount() and not any(STATE.iterdir()):
        STATE.rmdir()
    return len(hosts)


def _for_each(items: Iterable[T], action: Callable[[T], None]) -> None:
    """Run an action for all items in parallel; raises the first error once all have ended."""
    with ThreadPoolExecutor(max_workers=16) as pool:
        for future in [pool.submit(action, item) for item in items]:
            future.result()


def _console_end(lab: str, host: str) -> list[str]:
    """Return the last lines of a guest's console as plain text."""
    log = console_log(lab, host)
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    lines = [TERMINAL_CODES.sub("", line).strip() for line in text.splitlines()]
    return [line for line in lines if line][-CONSOLE_LINES:]
