"""Speaks to the controller: one JSON object per line on standard output."""

import json
import sys
from typing import Any

__all__ = ["say", "say_result"]


def say(event: str) -> None:
    """Report that something happens now, and wait until the controller has looked."""
    _write({"event": event})
    sys.stdin.readline()


def say_result(result: dict[str, Any]) -> None:
    """Report what was measured."""
    _write({"result": result})


def _write(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
