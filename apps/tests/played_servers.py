"""Servers that tests play: they listen on this machine and answer as they are told."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TypeVar


class PlayedServer:
    """A server on a socket; each connection is served in a thread of its own."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def serve(self, connection: socket.socket) -> None:
        """Answer what comes until the client, or this, hangs up."""
        raise NotImplementedError

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self.serve(connection)


class PlayedHttpServer(ThreadingHTTPServer):
    """A server of HTTP on a free port."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)

    def handle_error(self, *_: object) -> None:
        """Print nothing when the client has hung up."""


class PlayedHandler(BaseHTTPRequestHandler):
    """Answers over a connection that stays, and prints nothing."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is one packet

    def log_message(self, *_: object) -> None:
        """Print nothing."""


AnyServer = TypeVar("AnyServer", bound=PlayedHttpServer)


@contextmanager
def serving(server: AnyServer) -> Iterator[AnyServer]:
    """Let a server answer within the block."""
    with server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
