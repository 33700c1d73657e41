"""The power of the lab's hosts."""

from lab.machine import Machine
from lab.operations import up
from lab.paths import locked
from lab.progress import progress_printer
from tests.helpers.hosts import Platform

GRACE_SECONDS = 15.0
BOOT_SECONDS = 60.0


def power_off(platform: Platform, host: str, *, in_order: bool) -> None:
    """End a host: after a shutdown, or at once.

    At once is not all that losing power is: what its programs wrote is still written to disk.
    """
    lab = platform.lab.name
    with locked(f"lab-{lab}", progress_printer(lab)):
        Machine(lab, host).stop(GRACE_SECONDS if in_order else 0)
    platform.hang_up(host)


def power_on(platform: Platform) -> None:
    """Boot the hosts that are off, with the data they have; returns when SSH answers."""
    up(platform.lab, lambda _line: None, BOOT_SECONDS)
