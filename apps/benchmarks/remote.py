"""Commands on the lab's hosts, over SSH as everybody else reaches them."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["BenchmarkError", "Hosts", "Remote"]


COMMAND_SECONDS = 120


class BenchmarkError(Exception):
    """The benchmarks cannot be run, or one of them failed; the message is for the person."""


class Remote:
    """One host of the lab."""

    def __init__(self, name: str, address: str, ssh: list[str]) -> None:
        self.name = name
        self.address = address
        self._ssh = [*ssh, name]

    def run(self, command: str, data: bytes | str = b"") -> str:
        """Run a shell command and return its output; BenchmarkError with its last words."""
        result = subprocess.run(
            [*self._ssh, command],
            input=data if isinstance(data, bytes) else data.encode(),
            capture_output=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        if result.returncode != 0:
            words = (result.stderr or result.stdout).decode(errors="replace").strip()
            raise BenchmarkError(f"{self.name}: {command.split()[:4]}: {words[-1500:]}")
        return result.stdout.decode()

    def talk(self, command: str, request: str, on_event: Callable[[str], None]) -> dict[str, Any]:
        """Run a program of `guest`; pass on what it says, and return its result."""
        result: dict[str, Any] | None = None
        with subprocess.Popen(
            [*self._ssh, command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin and process.stdout and process.stderr  # noqa: S101, PT018 - pipes
            process.stdin.write(request + "\n")
            process.stdin.flush()
            for line in process.stdout:
                message = json.loads(line)
                if "event" in message:
                    on_event(message["event"])
                    process.stdin.write("\n")
                    process.stdin.flush()
                else:
                    result = message["result"]
            words = process.stderr.read().strip()
        if process.returncode != 0 or result is None:
            raise BenchmarkError(f"{self.name}: {words[-2500:]}")
        return result

    def copy_folder(self, source: Path, target: str, *exclude: str) -> None:
        """Replace a folder of Python code on the host with a copy of one here."""
        with subprocess.Popen(
            ["tar", "-C", str(source), *(f"--exclude={name}" for name in exclude), "-cf", "-", "."],
            stdout=subprocess.PIPE,
        ) as tar:
            assert tar.stdout  # noqa: S101 - a pipe
            data = tar.stdout.read()
        # root's, where root has run what was there; compiled now, as nobody may do it later
        self.run(
            f"sudo rm -rf {target} && mkdir {target} && tar -xf - -C {target}"
            f" && {{ python3 -m compileall -qq {target} || true; }}",
            data,
        )


class Hosts:
    """The hosts that the benchmarks use, by what they do in the inventory."""

    def __init__(self, inventory: str) -> None:
        listing = subprocess.run(
            ["ansible-inventory", "-i", inventory, "--list"],
            capture_output=True,
            text=True,
            check=True,
        )
        groups = json.loads(listing.stdout)
        variables = groups["_meta"]["hostvars"]
        self.lab: str = next(iter(variables.values()))["lab_name"]
        config = Path("/var/lib/skillupworks-lab") / self.lab / "ssh_config"
        if not config.exists():
            raise BenchmarkError("the lab does not run: `make demo` boots and deploys it")
        control = config.with_name("benchmark-%C")
        ssh = ["ssh", "-F", str(config), "-o", "BatchMode=yes"]
        ssh += ["-o", "ControlMaster=auto", "-o", f"ControlPath={control}", "-o"]
        ssh += ["ControlPersist=60"]

        def first(*names: str) -> Remote:
            common = set.intersection(*(set(groups[name]["hosts"]) for name in names))
            host = min(common)
            return Remote(host, variables[host]["ansible_host"], ssh)

        self.broker = first("rabbitmq")
        self.data = first("mysql")
        self.app = first("payment", "order_processor")
        self.catalogue = first("catalogue")
        self.user = first("user")
