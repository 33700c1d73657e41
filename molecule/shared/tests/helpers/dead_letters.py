"""The operator's command `skillupworks dlq` on a host."""

import json
import shlex
from dataclasses import dataclass
from typing import Any

from testinfra.backend.base import CommandResult

from tests.helpers.broker import DEAD_LETTERS
from tests.helpers.hosts import Platform

FOLDER = "/root"


@dataclass(frozen=True)
class DeadLetterTool:
    """Runs the command as root, in root's folder."""

    platform: Platform
    host: str

    def run(self, *words: str, status: int = 0, before: str = "") -> CommandResult:
        """Run a command that must end with this status; `before` are words in front of it."""
        command = f"cd {FOLDER}; {before} skillupworks dlq {shlex.join(words)}"
        result: CommandResult = self.platform[self.host].run(command)
        assert result.rc == status, f"{command}\n{result.stdout}{result.stderr}(exit {result.rc})"
        return result

    def json(self, *words: str, status: int = 0) -> Any:
        """Run a command and return its document."""
        return json.loads(self.run(*words, "--json", status=status).stdout)

    def count(self, queue: str = DEAD_LETTERS) -> int:
        """Return how many messages are in a queue; the management interface is seconds late."""
        return int(self.json("list", "--limit", "1", "--queue", queue)["count"])

    def parked(self, *filters: str) -> dict[str, Any]:
        """Return the messages that match, by their keys."""
        listed = self.json("list", "--limit", "0", *filters)["messages"]
        return {message["key"]: message for message in listed}

    def write(self, name: str, records: list[dict[str, Any]]) -> None:
        """Write a file to import from."""
        lines = "".join(json.dumps(record) + "\n" for record in records)
        self.platform.feed(self.host, f"tee {FOLDER}/{name}", lines)

    def read(self, name: str) -> list[dict[str, Any]]:
        """Return what is in a file that was exported."""
        output = self.platform.run(self.host, f"cat {FOLDER}/{name}")
        return [json.loads(line) for line in output.splitlines()]
