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
# One JSON document instead of text, from `ansible` as well, without the timers of ansible.cfg:
# an empty list of further callbacks is an error, and of this one there can only be one.
JSON_OUTPUT = {
    "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
    "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
    "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.minimal",
}

Json = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """What a run of playbooks did; each has its own document. `messages` is what it warned of."""

    documents: list[Json]
    messages: str

    @property
    def changed(self) -> list[str]:
        """The tasks that changed something, as `host: task`."""
        return [
            f"{host}: {task['task']['name']}"
            for document in self.documents
            for play in document["plays"]
            for task in play["tasks"]
            for host, result in task["hosts"].items()
            if result.get("changed")
        ]

    @property
    def hosts(self) -> set[str]:
        """The hosts that it worked on."""
        return {
            host
            for document in self.documents
            for host, counts in document["stats"].items()
            if counts["ok"]
        }


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
    # with Mitogen each host has a task of its own there
    tasks = json.loads(run.stdout)["plays"][0]["tasks"]
    return {host: result[name] for task in tasks for host, result in task["hosts"].items()}


def playbooks(
    *arguments: str,
    variables: Mapping[str, object] | None = None,
    env: Mapping[str, str] | None = None,
) -> Run:
    """Run playbooks by name, with options among the names, and with these variables."""
    run = _run_playbooks(arguments, variables, JSON_OUTPUT | dict(env or {}))
    documents, text = [], run.stdout.lstrip()
    while text:
        document, end = json.JSONDecoder().raw_decode(text)
        documents.append(document)
        text = text[end:].lstrip()
    return Run(documents, run.stderr)


def output(*names: str, variables: Mapping[str, object], verbosity: int) -> str:
    """Run playbooks by name, with these variables; return all that an operator sees of it."""
    run = _run_playbooks((*names, f"-{'v' * verbosity}"), variables, {})
    return run.stdout + run.stderr


def failure(*arguments: str, variables: Mapping[str, object]) -> str:
    """Run playbooks that must fail; return what is said about it."""
    return _run_playbooks(arguments, variables, {}, succeed=False).stdout


def _run_playbooks(
    arguments: tuple[str, ...],
    variables: Mapping[str, object] | None,
    env: Mapping[str, str],
    *,
    succeed: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Pass the variables through a file: on the command line everybody could read a password."""
    words = [word if word.startswith("-") else f"playbooks/{word}.yml" for word in arguments]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as extra:
        json.dump(dict(variables or {}), extra)
        extra.flush()
        words += ["--extra-vars", f"@{extra.name}"]
        return _run("ansible-playbook", *words, env=env, succeed=succeed)


def _run(
    program: str, *arguments: str, env: Mapping[str, str] | None = None, succeed: bool = True
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
    assert (run.returncode == 0) is succeed, (
        f"{program} {' '.join(arguments)}: {run.returncode}\n{end}"
    )
    return run
