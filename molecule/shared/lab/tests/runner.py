"""A lab to test with, and the lab program as people run it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import lab
from lab.inventory import Lab, parse_lab
from lab.operations import down, reboot, up
from lab.status import HostStatus, host_status

SHARED = Path(lab.__file__).parents[1]


def write_inventory(directory: Path, name: str, subnet: str, hosts: Mapping[str, str]) -> Path:
    """Write an inventory of a lab into `directory` and return its path."""
    content = {
        "all": {
            "vars": {"lab_name": name, "lab_subnet": subnet},
            "hosts": {host: {"ansible_host": address} for host, address in hosts.items()},
        }
    }
    # JSON is YAML; the name decides how Ansible reads it.
    path = directory / f"{name}.yml"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def describe_lab(name: str, subnet: str, hosts: Mapping[str, str], **variables: object) -> Lab:
    """Return a lab without asking Ansible, which takes most of a second."""
    common = {"lab_name": name, "lab_subnet": subnet, **variables}
    return parse_lab({host: {**common, "ansible_host": at} for host, at in hosts.items()})


def wait_until(condition: Callable[[], object], timeout: float = 60) -> None:
    """Return as soon as the condition holds; fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.01)


class LabRunner:
    """One lab: its operations called directly, or its command in a process of its own."""

    def __init__(self, directory: Path, name: str, subnet: str, hosts: Mapping[str, str]) -> None:
        self.lab = describe_lab(name, subnet, hosts)
        self.directory = Path("/var/lib/skillupworks-lab", name)
        self._inventory = write_inventory(directory, name, subnet, hosts)

    def up(self, boot_timeout: float = 60) -> str:
        """Bring the lab up; return what was said."""
        said: list[str] = []
        up(self.lab, said.append, boot_timeout)
        return "\n".join(said)

    def down(self) -> str:
        """Take the lab down; return what was said."""
        said: list[str] = []
        down(self.lab.name, said.append)
        return "\n".join(said)

    def reboot(self, host: str) -> None:
        """Reboot one host."""
        reboot(self.lab, host, lambda _: None, boot_timeout=60)

    def status(self) -> dict[str, HostStatus]:
        """Return the state of each host."""
        return {host.name: host_status(self.lab, host) for host in self.lab.hosts}

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Start one command of the program and return its process."""
        return subprocess.Popen(
            [sys.executable, "-m", "lab", f"--inventory={self._inventory}", *arguments],
            env={**os.environ, "PYTHONPATH": str(SHARED), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """Run one command of the program; return exit status, output and errors."""
        with self.start(*arguments, **environment) as process:
            output, errors = process.communicate()
        return process.returncode, output, errors

    def ssh(self, host: str, command: str, *options: str) -> "subprocess.CompletedProcess[str]":
        """Run a command on a host, as the user `ansible`."""
        config = self.directory / "ssh_config"
        words = ["ssh", "-F", str(config), "-o", "BatchMode=yes", *options, host, command]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    def on(self, host: str, command: str) -> str:
        """Run a command on a host that must succeed; return what it printed."""
        done = self.ssh(host, command)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()
