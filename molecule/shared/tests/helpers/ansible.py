"""Running Ansible as an operator does, with this project's settings and the tests' inventory."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[4]
INVENTORY = "ANSIBLE_INVENTORY"
DEFAULT_INVENTORY = str(PROJECT / "inventory" / "lab")
# One JSON document instead of text, from `ansible` as well; an empty list of others is an error.
JSON_OUTPUT = {
    "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
    "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
    "ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.json",
}

Json = dict[str, Any]


@dataclass(frozen=True)
class Play:
    """What a playbook did."""

    document: Json
    text: str

    @property
    def changed(self) -> list[str]:
        """The tasks that changed something, as `host: task`."""
        return [
            f"{host}: {task['task']['name']}"
            for play in self.document["plays"]
            for task in play["tasks"]
            for host, result in task["hosts"].items()
            if result.get("changed")
        ]

    @property
    def hosts(self) -> set[str]:
        """The hosts that it worked on."""
        return {host for host, counts in self.document["stats"].items() if counts["ok"]}


def environment() -> dict[str, str]:
    """Return the environment for Ansible's programs.

    The inventory is Ansible's own variable, several paths separated by commas; Molecule sets it,
    and settings of its own that are not this project's.
    """
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("ANSIBLE_")}
    return inherited | {
        "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
        INVENTORY: os.environ.get(INVENTORY) or DEFAULT_INVENTORY,
    }


def inventory() -> Json:
    """Return the inventory, its variables as they are written."""
    listing: Json = json.loads(_run("ansible-inventory", "--list").stdout)
    return listing


def variable(name: str) -> dict[str, Any]:
    """Return a variable of the playbooks for each host, as Ansible resolves it."""
    module = ("--module-name", "ansible.builtin.debug", "--args", f"var={name}")
    run = _run("ansible", "all", *module, "--playbook-dir", "playbooks", env=JSON_OUTPUT)
    hosts = json.loads(run.stdout)["plays"][0]["tasks"][0]["hosts"]
    return {host: result[name] for host, result in hosts.items()}


def playbook(
    name: str, *arguments: str, variables: Mapping[str, object] | None = None, expect: int = 0
) -> Play:
    """Run playbooks/NAME.yml with further arguments; fails when it does not exit as expected.

    The variables go through a file: on the command line everybody could read a password.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".json") as extra:
        json.dump(dict(variables or {}), extra)
        extra.flush()
        run = _run(
            *("ansible-playbook", f"playbooks/{name}.yml", "--extra-vars", f"@{extra.name}"),
            *arguments,
            env=JSON_OUTPUT,
            expect=expect,
        )
    return Play(json.loads(run.stdout), run.stdout + run.stderr)


def output(name: str, *arguments: str) -> str:
    """Run a playbook and return what an operator sees of it."""
    run = _run("ansible-playbook", f"playbooks/{name}.yml", *arguments)
    return run.stdout + run.stderr


def _run(
    program: str, *arguments: str, env: Mapping[str, str] | None = None, expect: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run a program that is installed beside this Python, from the project's folder."""
    run = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments],
        cwd=PROJECT,
        env=environment() | dict(env or {}),
        check=False,
        capture_output=True,
        text=True,
    )
    end = "\n".join((run.stdout + run.stderr).splitlines()[-60:])
    assert run.returncode == expect, f"{program} {' '.join(arguments)}: {run.returncode}\n{end}"
    return run
