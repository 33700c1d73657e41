"""The lab works where PID 1 of the machine is systemd: guests are its services there.

A guest with all capabilities is such a machine. Installing and building in it takes a minute or
two, so this runs only on request: LAB_NESTED=1 pytest molecule/shared/lab/tests/test_lab_nested.py
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.operations import down, up
from lab.tests.runner import SHARED, LabRunner, describe_lab, wait_until, write_inventory

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif("LAB_NESTED" not in os.environ, reason="set LAB_NESTED=1: takes minutes"),
]

NEEDED = "systemd-container mmdebstrap nftables openssh-client ansible-core"
INNER = "sudo python3 -m lab --inventory inner.yml"
# What a lab leaves where it leaves something; nothing of it may be there after `down`.
TRACES = (
    "mount | grep -E 'on /(var/lib/skillupworks-lab/.|run/systemd/nspawn|run/netns)|partial'; "
    "ip link | grep lab-; sudo nft list tables; grep 1 /proc/sys/net/ipv4/ip_forward; "
    "systemctl list-units --all --no-legend 'lab-*'; sudo find /sys/fs/cgroup -name '*lab-*'; "
    "pgrep -a systemd-nspawn; sudo find /run/systemd/nspawn -mindepth 2; "
    "sudo ls -A /run/netns /var/lib/skillupworks-lab 2>/dev/null | grep -v :; true"
)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabRunner]:
    """Boot a machine with systemd and install what the lab needs on it."""
    directory = tmp_path_factory.mktemp("nested")
    runner = LabRunner(directory, "selftest", "10.77.99.0/24", {"alpha": "10.77.99.11"})
    # Overlays cannot be stacked on an overlay: the inner lab's data lies on this machine's disk.
    binds = []
    for name in ("lib", "cache"):
        (directory / name).mkdir()
        binds.append(f"--bind={directory / name}:/var/{name}/skillupworks-lab")
    variables = {"lab_nspawn_options": ["--capability=all", *binds]}
    outer = describe_lab("selftest", "10.77.99.0/24", {"alpha": "10.77.99.11"}, **variables)
    up(outer, lambda _: None, 60)
    assert runner.on("alpha", "cat /proc/sys/net/ipv4/ip_forward") == "0"
    runner.on("alpha", f"sudo apt-get update && sudo apt-get install --yes {NEEDED}")
    inner = write_inventory(directory, "inner", "10.77.97.0/24", {"one": "10.77.97.11"})
    archive = subprocess.run(
        ["tar", "-cf-", f"-C{SHARED}", "lab", f"-C{directory}", inner.name],
        check=True,
        capture_output=True,
    )
    config = Path("/var/lib/skillupworks-lab/selftest/ssh_config")
    subprocess.run(["ssh", "-F", config, "alpha", "tar xf -"], input=archive.stdout, check=True)
    yield runner
    down("selftest", lambda _: None)


def status(machine: LabRunner) -> str:
    """Return the state of the inner host."""
    return machine.on("alpha", f"{INNER} status || true").splitlines()[1].split()[1]


def test_a_guest_is_a_service_of_systemd(machine: LabRunner) -> None:
    """Given a machine with systemd, `up` builds, boots, and the guest is a service of its own."""
    machine.on("alpha", f"{INNER} up")

    assert status(machine) == "running"
    assert machine.on("alpha", "systemctl is-active lab-inner-one.service") == "active"
    assert inner(machine, "hostname; systemctl is-system-running --wait") == "one\nrunning"


def test_reboots_from_outside_and_inside_keep_data(machine: LabRunner) -> None:
    """Given a file in the guest, it is there after both kinds of reboot."""
    inner(machine, "sudo touch /root/kept")
    machine.on("alpha", f"{INNER} reboot one")
    assert inner(machine, "sudo ls /root") == "kept"

    boot = inner(machine, "cat /proc/sys/kernel/random/boot_id; sudo systemctl reboot")
    wait_until(lambda: inner(machine, "cat /proc/sys/kernel/random/boot_id") not in ("", boot))
    assert inner(machine, "sudo ls /root") == "kept"


def test_a_killed_or_stopped_guest_starts_again(machine: LabRunner) -> None:
    """Given a guest whose nspawn was killed, or that powered off, `up` starts it with its data."""
    machine.on("alpha", "sudo systemctl kill --signal=KILL --kill-whom=main lab-inner-one.service")
    wait_until(lambda: status(machine) == "stopped")
    machine.on("alpha", f"{INNER} up")
    assert inner(machine, "sudo ls /root") == "kept"

    inner(machine, "sudo systemctl poweroff")
    wait_until(lambda: status(machine) == "stopped")
    machine.on("alpha", f"{INNER} up")
    assert inner(machine, "sudo ls /root") == "kept"


def test_down_leaves_nothing(machine: LabRunner) -> None:
    """Given a running guest, or an `up` that is killed half-way, `down` leaves no trace."""
    assert "lab-inner-one.service" in machine.on("alpha", TRACES)
    machine.on("alpha", f"{INNER} down")
    assert machine.on("alpha", TRACES) == ""

    for seconds in ("0.5", "0.8", "1.2"):
        machine.on(
            "alpha", f"sudo timeout -s KILL {seconds} {INNER.removeprefix('sudo ')} up; true"
        )
        machine.on("alpha", f"{INNER} down")
        assert machine.on("alpha", TRACES) == ""


def inner(machine: LabRunner, command: str) -> str:
    """Run a command on the inner host; empty when it does not answer."""
    config = "/var/lib/skillupworks-lab/inner/ssh_config"
    done = machine.ssh("alpha", f"sudo ssh -F {config} -o ConnectTimeout=5 one '{command}'")
    return done.stdout.strip()
