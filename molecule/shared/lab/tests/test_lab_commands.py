"""up, down, status and reboot do what they say."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from lab.errors import GuestError, InventoryError
from lab.machine import Machine
from lab.tests.machine_state import left_behind, machine_state, network_namespaces_in_use
from lab.tests.runner import LabRunner, wait_until

pytestmark = pytest.mark.lab


def test_status_shows_a_running_lab(selftest: LabRunner) -> None:
    """Given a running lab, `status` lists each host and ends with 0."""
    code, output, _ = selftest.run("status")

    header, *rows = [line.split() for line in output.splitlines()]
    assert (code, header) == (0, ["HOST", "STATE", "ADDRESS", "UPTIME", "PID"])
    assert [row[:3] for row in rows] == [
        ["alpha", "running", "10.77.99.11"],
        ["beta", "running", "10.77.99.12"],
    ]


def test_up_leaves_running_hosts_alone(selftest: LabRunner) -> None:
    """Given a running lab, another `up` starts nothing."""
    before = pids(selftest)

    assert "0 hosts started, 2 were running" in selftest.up()

    assert pids(selftest) == before


def test_reboot_keeps_address_and_data(selftest: LabRunner) -> None:
    """Given a file on a host, `reboot` brings back the same host: new boot, same file."""
    before = pids(selftest)["alpha"]
    selftest.on("alpha", "sudo touch /root/kept")

    selftest.reboot("alpha")

    assert selftest.on("alpha", "sudo ls /root; hostname -I") == "kept\n10.77.99.11"
    assert pids(selftest)["alpha"] not in (before, None)


def test_a_host_may_reboot_itself(selftest: LabRunner) -> None:
    """Given `systemctl reboot` on a host, it comes back by itself."""
    before = pids(selftest)["beta"]
    selftest.ssh("beta", "sudo touch /root/kept; sudo systemctl reboot")
    wait_until(lambda: pids(selftest)["beta"] not in (before, None))

    wait_until(lambda: selftest.ssh("beta", "true").returncode == 0)

    assert selftest.on("beta", "sudo ls /root") == "kept"


def test_a_host_that_was_powered_off_starts_with_its_data(selftest: LabRunner) -> None:
    """Given `poweroff` on a host, status says stopped (exit status 3) and `up` starts it again."""
    selftest.on("beta", "sudo touch /root/again")
    power_off(selftest, "beta")

    code, output, _ = selftest.run("status")
    assert (code, output.splitlines()[2].split()[:2]) == (3, ["beta", "stopped"])
    with pytest.raises(GuestError, match="host beta does not run: start it with up"):
        selftest.reboot("beta")

    assert "1 hosts started, 1 were running" in selftest.up()
    assert "again" in selftest.on("beta", "sudo ls /root")


def test_a_host_that_does_not_boot_is_shown_with_its_console(selftest: LabRunner) -> None:
    """Given a host that powers off while booting, `up` fails by its name; the other one runs on."""
    selftest.on("beta", "sudo systemctl set-default poweroff.target")
    power_off(selftest, "beta")

    with pytest.raises(GuestError, match="host beta ended while booting") as failure:
        selftest.up()

    assert any("Power" in line for line in failure.value.details)
    assert [host.state for host in selftest.status().values()] == ["running", "stopped"]
    # Repaired where its data lies, the host starts again.
    subprocess.run(["umount", selftest.directory / "guests/beta/root"], check=True)
    (selftest.directory / "guests/beta/upper/etc/systemd/system/default.target").unlink()
    selftest.up()
    assert selftest.status()["beta"].state == "running"


def test_a_host_whose_nspawn_was_killed_is_ended_and_started_again(selftest: LabRunner) -> None:
    """Given `kill -9` of what runs a guest, status tells and `up` makes it a normal guest again."""
    before = pids(selftest)["beta"]
    stat = Path(f"/proc/{before}/stat").read_text(encoding="utf-8")
    os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)
    machine = Machine("selftest", "beta")
    wait_until(lambda: not machine.active())
    assert selftest.status()["beta"].state in ("orphaned", "stopped")

    selftest.up()

    assert pids(selftest)["beta"] not in (before, None)
    assert selftest.status()["beta"].state == "running"


def test_an_unknown_host_is_not_rebooted(selftest: LabRunner) -> None:
    """Given a name that is not in the inventory, `reboot` names those that are."""
    code, _, errors = selftest.run("reboot", "gamma")

    assert code == 1
    assert errors == "lab: no host 'gamma' in lab 'selftest' (hosts: alpha, beta)\n"
    with pytest.raises(InventoryError):
        selftest.reboot("gamma")


def test_two_labs_run_side_by_side_and_down_leaves_nothing(
    selftest: LabRunner, neighbour: LabRunner
) -> None:
    """Given a running lab, a second one comes and goes without a trace and without touching it."""
    before = machine_state()
    namespaces = network_namespaces_in_use()
    first = pids(selftest)
    assert neighbour.status()["gamma"].state == "absent"

    code, output, errors = neighbour.run("up")
    assert (code, errors) == (0, ""), errors
    assert "gamma (10.77.98.11) answers" in output
    assert neighbour.on("gamma", "hostname") == "gamma"
    assert selftest.on("alpha", "hostname") == "alpha"
    assert {"links", "mounts", "namespaces", "tables", "cgroups", "processes"} <= set(
        left_behind(before)
    )
    of_guest = network_namespaces_in_use() - namespaces
    code, output, errors = neighbour.run("down")
    assert (code, errors) == (0, ""), errors

    assert left_behind(before) == {}
    assert of_guest
    assert not of_guest & network_namespaces_in_use()
    assert pids(selftest) == first


def test_down_of_nothing_is_no_error(neighbour: LabRunner) -> None:
    """Given a lab that was never up, `down` says so and changes nothing."""
    before = machine_state()

    assert "0 hosts removed" in neighbour.down()

    assert left_behind(before) == {}


def pids(lab: LabRunner) -> dict[str, int | None]:
    """Return the PID of each host's first process."""
    return {host.name: Machine(lab.lab.name, host.name).leader() for host in lab.lab.hosts}


def power_off(lab: LabRunner, host: str) -> None:
    """Power a host off from inside and wait until nothing of it runs."""
    lab.ssh(host, "sudo systemctl poweroff")
    wait_until(lambda: not Machine(lab.lab.name, host).active())
