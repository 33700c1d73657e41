"""What cannot work is refused before anything is made; what fails half-way is taken back."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.cgroup import hierarchies, remove_cgroups
from lab.errors import GuestError, HostError
from lab.machine import Machine
from lab.operations import up
from lab.tests.machine_state import left_behind, machine_state
from lab.tests.runner import LabRunner, describe_lab, wait_until

pytestmark = pytest.mark.lab


def refusal(name: str, subnet: str, hosts: dict[str, str]) -> str:
    """Return why `up` refuses a lab, having checked that it changed nothing."""
    before = machine_state()
    with pytest.raises(HostError) as failure:
        up(describe_lab(name, subnet, hosts), lambda _: None, 60)
    assert left_behind(before) == {}
    return str(failure.value)


@pytest.mark.parametrize("subnet", ["10.77.99.0/24", "10.77.99.128/25", "10.77.98.0/23"])
def test_the_subnet_of_another_lab(selftest: LabRunner, subnet: str) -> None:
    """Given a subnet that overlaps a running lab's, the error names that lab."""
    assert refusal("neighbour", subnet, {"gamma": "10.77.99.200"}) == (
        f"lab_subnet {subnet} is in use on this machine: {selftest.lab.subnet} (lab 'selftest')"
    )


def test_a_subnet_of_this_machine() -> None:
    """Given the loopback's network, the error names the device."""
    assert refusal("neighbour", "127.0.0.0/24", {"gamma": "127.0.0.9"}) == (
        "lab_subnet 127.0.0.0/24 is in use on this machine: 127.0.0.0/8 (lo)"
    )


def test_a_running_lab_that_moves(selftest: LabRunner) -> None:
    """Given another subnet or address for a running lab, the error says to take it down first."""
    assert selftest.lab.name == "selftest"
    assert "lab 'selftest' runs with lab_subnet 10.77.99.0/24" in refusal(
        "selftest", "10.77.98.0/24", {"alpha": "10.77.98.11"}
    )
    assert "host alpha exists with address 10.77.99.11" in refusal(
        "selftest", "10.77.99.0/24", {"alpha": "10.77.99.44"}
    )


def test_more_hosts_than_the_machine_can_hold() -> None:
    """Given a thousand hosts, the error says what is too little."""
    addresses = {f"h{n}": f"10.78.{n // 200}.{n % 200 + 10}" for n in range(1000)}

    assert refusal("neighbour", "10.78.0.0/16", addresses).startswith("too little ")


def test_a_host_that_does_not_answer_in_time(neighbour: LabRunner) -> None:
    """Given less time than a boot takes, `up` fails by the host's name and takes all back."""
    before = machine_state()

    with pytest.raises(GuestError, match=r"host gamma does not answer on SSH after 0.05 s \("):
        neighbour.up(boot_timeout=0.05)

    assert left_behind(before) == {}


@pytest.mark.parametrize(
    "reached",
    [
        pytest.param(lambda: Path("/sys/class/net/lab-neighbour").exists(), id="network"),
        pytest.param(
            lambda: Path("/var/lib/skillupworks-lab/neighbour/guests/gamma/upper").exists(),
            id="file-system",
        ),
        pytest.param(lambda: Machine("neighbour", "gamma").active(), id="start"),
        pytest.param(lambda: Machine("neighbour", "gamma").leader(), id="boot"),
    ],
)
def test_down_cleans_up_after_a_killed_up(
    neighbour: LabRunner, reached: Callable[[], object]
) -> None:
    """Given an `up` that is killed at some moment, `down` leaves nothing of it."""
    before = machine_state()
    kill_up_when(neighbour, reached)

    neighbour.down()

    assert left_behind(before) == {}


def test_down_waits_for_what_a_killed_up_has_left_at_work(neighbour: LabRunner) -> None:
    """Given a tool that is still busy in a guest's file system, it is unmounted after that."""
    before = machine_state()
    root = neighbour.directory / "guests/gamma/root"
    kill_up_when(neighbour, root.is_mount)
    with subprocess.Popen(["sleep", "1"], cwd=root):
        neighbour.down()

    assert left_behind(before) == {}


def test_a_guest_is_forgotten_only_when_nothing_of_it_is_left(tmp_path: Path) -> None:
    """Given a process that came into a guest's cgroup late, the cgroup stays until it has ended."""
    group = hierarchies()[0] / f"skillupworks-selftest-{tmp_path.name}"
    group.mkdir()
    with subprocess.Popen(["sleep", "60"]) as late:
        (group / "cgroup.procs").write_text(str(late.pid))
        assert not remove_cgroups([group])
        late.kill()
    wait_until(lambda: remove_cgroups([group]))

    assert not group.exists()
    assert remove_cgroups([group])


def test_up_goes_on_after_a_killed_up(neighbour: LabRunner) -> None:
    """Given an `up` that is killed half-way, another `up` ends with a working host."""
    kill_up_when(neighbour, (neighbour.directory / "guests/gamma/upper").exists)

    neighbour.up()

    assert neighbour.on("gamma", "hostname") == "gamma"


def test_an_interrupted_up_says_what_to_do(neighbour: LabRunner) -> None:
    """Given Ctrl-C, the command ends with 130 and one line."""
    with neighbour.start("up") as process:
        wait_until(Path("/sys/class/net/lab-neighbour").exists)
        os.kill(process.pid, 2)
        _, errors = process.communicate()

    assert process.returncode == 130
    assert errors == "lab: interrupted; `up` goes on from here, `down` removes it\n"


def kill_up_when(lab: LabRunner, reached: Callable[[], object]) -> None:
    """Start `up` in a process and kill it, without a chance to tidy up, at some point."""
    with lab.start("up") as process:
        wait_until(reached)
        process.kill()
