"""The hosts of a running platform, as the inventory describes them."""

import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import testinfra
from testinfra.host import Host

from lab.inventory import parse_lab
from lab.ssh import config_path
from tests.helpers.ansible import inventory
from tests.helpers.systems import System, system_of

T = TypeVar("T")


class Platform:
    """Hosts by name and by group; commands run as root over one kept SSH connection per host."""

    def __init__(self, control_directory: Path) -> None:
        """Read the inventory; `control_directory` takes the connections' sockets."""
        self._inventory = inventory()
        self._variables: dict[str, dict[str, Any]] = self._inventory["_meta"]["hostvars"]
        self.lab = parse_lab(self._variables)
        self._control_directory = control_directory
        self._hosts = {host.name: self._connect(host.name) for host in self.lab.hosts}

    def __getitem__(self, name: str) -> Host:
        return self._hosts[name]

    @property
    def names(self) -> list[str]:
        """Names of all hosts."""
        return list(self._hosts)

    def group(self, name: str) -> list[str]:
        """Return the names of a group's hosts; none when there is no such group."""
        hosts: list[str] = self._inventory.get(name, {}).get("hosts", [])
        return hosts

    def only(self, group: str) -> str:
        """Return the name of the one host of a group."""
        (name,) = self.group(group)
        return name

    def address(self, name: str) -> str:
        """Return a host's address."""
        return str(self.lab.host(name).address)

    def system(self, name: str) -> System:
        """Return what things are called on a host."""
        return system_of(self.lab.host(name).image)

    def run(self, name: str, command: str) -> str:
        """Run a shell command on a host; it must succeed. Return its output, without the end."""
        result = self[name].run(command)
        assert result.rc == 0, (
            f"{name}$ {command}\n{result.stdout}{result.stderr}(exit {result.rc})"
        )
        return str(result.stdout).rstrip("\n")

    def feed(self, name: str, command: str, text: str) -> str:
        """Run a command with `text` as its input; return its output, whatever it exits with.

        What stands in a command is in the process list and in sudo's journal: not for secrets.
        """
        control = ("-o", "ControlMaster=auto", "-S", str(self._control_directory / name))
        return subprocess.run(
            ["ssh", "-F", config_path(self.lab.name), *control, name, f"sudo {command}"],
            input=text,
            check=False,
            capture_output=True,
            text=True,
        ).stdout.rstrip("\n")

    def each(self, names: Iterable[str], action: Callable[[str], T]) -> dict[str, T]:
        """Run the action for several hosts at the same time; return the results by host."""
        names = list(names)
        with ThreadPoolExecutor(max_workers=len(names) or 1) as pool:
            return dict(zip(names, pool.map(action, names), strict=True))

    def run_on_all(self, command: str) -> dict[str, str]:
        """Run a command on all hosts at the same time; return its output by host."""
        return self.each(self.names, lambda name: self.run(name, command))

    @cached_property
    def secrets(self) -> dict[str, str]:
        """The inventory's secrets by the names of their variables."""
        variables = next(iter(self._variables.values()))
        return {name: str(text) for name, text in variables.items() if name.startswith("vault_")}

    def down(self) -> list[str]:
        """Return a line for each host that does not answer."""

        def problem(name: str) -> str | None:
            try:
                self[name].run("true")
            except RuntimeError as error:
                said = getattr(error.args[0], "stderr", "").strip()
                return f"host {name} ({self.address(name)}) does not answer over SSH: {said}"
            return None

        return [line for line in self.each(self.names, problem).values() if line]

    def hang_up(self, name: str) -> None:
        """End the kept connection to a host, which may be a dead one."""
        path = self._control_directory / name
        subprocess.run(["ssh", "-O", "exit", "-S", path, name], check=False, capture_output=True)

    def close(self) -> None:
        """End all connections."""
        for name in self.names:
            self.hang_up(name)

    def _connect(self, name: str) -> Host:
        return testinfra.get_host(
            f"ssh://{name}",
            ssh_config=str(config_path(self.lab.name)),
            controlpath=str(self._control_directory / name),
            ssh_extra_args="-o BatchMode=yes -o ServerAliveInterval=5 -o ConnectTimeout=5",
            sudo=True,
        )
