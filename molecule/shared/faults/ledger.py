"""What customers were told, written down outside the platform as it comes."""

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self


class Ledger:
    """A file of JSON lines, one for each thing that happened to an order; any thread may write."""

    def __init__(self, path: Path) -> None:
        self._lock = Lock()
        self._file = path.open("w", encoding="utf-8")
        self.path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        with self._lock:
            self._file.close()

    def note(self, event: str, key: str, **facts: object) -> None:
        """Write one line, at once; one that comes after the end is dropped."""
        line = json.dumps({"at": time.time(), "event": event, "key": key, **facts})
        with self._lock:
            if not self._file.closed:
                self._file.write(line + "\n")
                self._file.flush()


@dataclass
class Claims:
    """What the ledger says in the end; orders go by their idempotency key."""

    # when the customer wanted to order
    planned: dict[str, float] = field(default_factory=dict)
    # the order id that was answered, and when
    accepted: dict[str, str] = field(default_factory=dict)
    accepted_at: dict[str, float] = field(default_factory=dict)
    # answers that were final and no order, and orders that never had an answer
    refused: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    # how often something else came instead of an answer: "503", "ConnectError", ...
    put_off: Counter[str] = field(default_factory=Counter)


def read_claims(path: Path) -> Claims:
    """Read a ledger."""
    claims = Claims()
    for line in path.read_text(encoding="utf-8").splitlines():
        entry: dict[str, Any] = json.loads(line)
        key = entry["key"]
        match entry["event"]:
            case "planned":
                claims.planned[key] = entry["due"]
            case "accepted":
                claims.accepted[key] = entry["order_id"]
                claims.accepted_at[key] = entry["at"]
            case "refused":
                claims.refused.append(f"{key}: {entry['answer']}")
            case "put off":
                claims.put_off[entry["reason"]] += 1
    answered = claims.accepted.keys() | {line.partition(":")[0] for line in claims.refused}
    claims.unanswered = [key for key in claims.planned if key not in answered]
    return claims
