"""A running lab's hosts behave like hosts of their own."""

import json
from pathlib import Path

import pytest

from lab.tests.runner import LabRunner

pytestmark = pytest.mark.lab

# Sends one entry over journald's own socket, as structured logging does.
# It looks up whose entry it is when it reads it, so the sender waits until it has.
NATIVE_ENTRY = (
    "import socket, subprocess; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); "
    "s.sendto(b'MESSAGE=native entry\\nORDER_ID=o-1\\n', '/run/systemd/journal/socket'); "
    "subprocess.run(['journalctl', '--sync'], check=True)"
)
SANDBOX = (
    "PrivateUsers=yes", "PrivateTmp=yes", "PrivateDevices=yes", "ProtectSystem=strict",
    "ProtectHome=yes", "ProtectProc=invisible", "RestrictNamespaces=yes", "NoNewPrivileges=yes",
    "MemoryDenyWriteExecute=yes", "SystemCallFilter=@system-service",
    "LoadCredential=name:/etc/hostname", "User=ansible",
)  # fmt: skip


def test_ansible_logs_in_and_becomes_root(selftest: LabRunner) -> None:
    """Given the lab's key, the user ansible has sudo without a password on a host of its name."""
    assert selftest.on("alpha", "id -un; hostname; sudo id -un") == "ansible\nalpha\nroot"


def test_root_cannot_log_in(selftest: LabRunner) -> None:
    """Given root with the right key in place, sshd still refuses."""
    selftest.on(
        "alpha", "sudo install -D -m 0600 ~/.ssh/authorized_keys /root/.ssh/authorized_keys"
    )

    assert selftest.ssh("alpha", "true", "-l", "root").returncode == 255


def test_the_boot_is_clean(selftest: LabRunner) -> None:
    """Given a booted host, systemd reports running: no unit failed."""
    assert selftest.on("alpha", "systemctl is-system-running --wait") == "running"


def test_hosts_have_identities_of_their_own(selftest: LabRunner) -> None:
    """Given two hosts of one image, neither shares its machine id or its host key."""
    identity = "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub"

    alpha, beta = (selftest.on(host, identity).split() for host in ("alpha", "beta"))

    assert len(alpha[0]) == 32
    assert alpha[0] != beta[0]
    assert alpha[2] != beta[2]


def test_hosts_reach_each_other_and_the_world(selftest: LabRunner) -> None:
    """Given two hosts, one reaches the other's SSH and Debian's archive."""
    banner = selftest.on(
        "alpha", "timeout 5 bash -c 'read -r line </dev/tcp/10.77.99.12/22; echo $line'"
    )
    archive = selftest.on(
        "alpha", "sudo apt-get update -o APT::Update::Error-Mode=any >/dev/null && echo updated"
    )

    assert banner.startswith("SSH-2.0")
    assert archive == "updated"


def test_the_journal_knows_whose_line_it_is(selftest: LabRunner) -> None:
    """Given a unit that prints and sends a native entry, `journalctl -u` shows both."""
    program = f'echo printed; python3 -c \\"{NATIVE_ENTRY}\\"'
    selftest.on("alpha", f'sudo systemd-run --quiet --wait --unit=probe sh -c "{program}"')

    lines = selftest.on("alpha", "sudo journalctl -u probe -o cat").splitlines()
    entry = json.loads(selftest.on("alpha", "sudo journalctl -u probe -o json ORDER_ID=o-1"))

    assert {"printed", "native entry"} <= set(lines)
    assert entry["_SYSTEMD_UNIT"] == "probe.service"


def test_a_service_can_be_sandboxed(selftest: LabRunner) -> None:
    """Given the settings our services use, they start, read credentials, and are confined."""
    properties = " ".join(f"-p {setting}" for setting in SANDBOX)
    command = 'cat "$CREDENTIALS_DIRECTORY/name"; touch /etc/x 2>/dev/null || echo confined'

    output = selftest.on(
        "alpha", f"sudo systemd-run --quiet --wait --pipe {properties} sh -c '{command}'"
    )

    assert output == "alpha\nconfined"


def test_a_host_rules_its_own_network(selftest: LabRunner) -> None:
    """Given root on a host, it may make links and set net.* for itself (firewalld needs both)."""
    selftest.on("alpha", "sudo ip link add probe type bridge && sudo ip link delete probe")
    before = Path("/proc/sys/net/ipv4/tcp_keepalive_time").read_text(encoding="ascii")

    selftest.on("alpha", "sudo sh -c 'echo 77 > /proc/sys/net/ipv4/tcp_keepalive_time'")

    assert selftest.on("alpha", "cat /proc/sys/net/ipv4/tcp_keepalive_time") == "77"
    assert Path("/proc/sys/net/ipv4/tcp_keepalive_time").read_text(encoding="ascii") == before


def test_each_host_has_a_cgroup_of_its_own(selftest: LabRunner) -> None:
    """Given two hosts, their first processes are in different cgroups named after them."""
    for host, status in selftest.status().items():
        group = Path(f"/proc/{status.pid}/cgroup").read_text(encoding="utf-8")
        assert "selftest" in group
        assert host in group
