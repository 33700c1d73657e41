"""A mail server, or a warehouse, that writes down everything it takes before it says so.

Usage: receiver.py smtp|http PORT FILE

Runs on a host of the lab, as it is: its only library is aiosmtpd. It may be killed at any time and
started again with the same file; the warehouse remembers what it has done by Idempotency-Key.
"""

import json
import os
import sys
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any


class Book:
    """A file of JSON lines that survives what its writer does not."""

    def __init__(self, path: Path) -> None:
        self._lock = Lock()
        path.touch()
        # half a line is of an entry that nobody was told about
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        self._keys = {json.loads(line)["key"] for line in lines if line.endswith("\n")}
        path.write_text("".join(line for line in lines if line.endswith("\n")), encoding="utf-8")
        self._file = path.open("a", encoding="utf-8")

    def write(self, key: str, text: str) -> bool:
        """Write an entry so that it stays; say whether its key is new."""
        with self._lock:
            new = key not in self._keys
            entry = {"at": time.time(), "key": key, "new": new, "text": text}
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._keys.add(key)
        return new


def serve_http(port: int, book: Book) -> None:
    """Be a warehouse: an order is taken once, and answered each time."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            new = book.write(self.headers["Idempotency-Key"], body)
            self.send_response(HTTPStatus.CREATED if new else HTTPStatus.CONFLICT)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing: it is all in the file."""

    ThreadingHTTPServer(("", port), Handler).serve_forever()


def serve_smtp(port: int, book: Book) -> None:
    """Be a mail server: take every mail."""
    import asyncio  # noqa: PLC0415 - a warehouse needs neither
    from email import message_from_bytes  # noqa: PLC0415

    from aiosmtpd.controller import UnthreadedController  # noqa: PLC0415

    class Handler:
        async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802, ANN401
            mail = message_from_bytes(envelope.content)
            body = mail.get_payload(decode=True)
            text = f"{mail['Subject']}\n{body.decode() if isinstance(body, bytes) else body}"
            book.write(str(mail["Message-ID"]), text)
            return "250 taken"

    loop = asyncio.new_event_loop()
    controller = UnthreadedController(Handler(), hostname="0.0.0.0", port=port, loop=loop)  # noqa: S104
    controller.begin()  # type: ignore[no-untyped-call]
    loop.run_forever()


if __name__ == "__main__":
    kind, port, file = sys.argv[1:]
    {"smtp": serve_smtp, "http": serve_http}[kind](int(port), Book(Path(file)))
