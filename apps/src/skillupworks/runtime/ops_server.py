"""The small HTTP server of a service that has no HTTP of its own: /health, /ready, /metrics."""

import json
import os
import socket
from collections.abc import Iterable
from http import HTTPStatus
from socketserver import TCPServer, ThreadingMixIn
from threading import Thread
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from skillupworks.runtime.health import Readiness

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["OpsServer", "cannot_listen", "create_ops_app"]


def create_ops_app(readiness: Readiness, registry: CollectorRegistry) -> "WSGIApplication":
    """Return the WSGI application; anything but GET and HEAD of the three paths is an error."""
    metrics: WSGIApplication = make_wsgi_app(registry)

    def app(environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return answer(start, HTTPStatus.METHOD_NOT_ALLOWED, {"status": "only GET"})
        if path == "/metrics":
            return metrics(environ, start)
        if path == "/health":
            return answer(start, HTTPStatus.OK, {"status": "up"})
        if path == "/ready":
            ready, body = readiness.report()
            return answer(start, HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, body)
        return answer(start, HTTPStatus.NOT_FOUND, {"status": "not found"})

    def answer(
        start: "StartResponse", status: HTTPStatus, body: dict[str, object]
    ) -> Iterable[bytes]:
        data = json.dumps(body).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(data)))]
        start(f"{status.value} {status.phrase}", headers)
        return [data]

    return app


def cannot_listen(address: str, port: int, error: OSError) -> OSError:
    """Return an error that says which address cannot be had, and why."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return OSError(f"cannot listen on {address}:{port}: {reason}")


class OpsServer:
    """Serves the application from a daemon thread; listens from construction until `close`."""

    def __init__(self, app: "WSGIApplication", listen: str, port: int) -> None:
        """Bind the address; OSError that names it when it cannot be had."""
        server = _ServerV6 if ":" in listen else _Server
        try:
            self._server = make_server(listen, port, app, server, _Handler)
        except OSError as error:
            raise cannot_listen(listen, port, error) from error
        self.port = self._server.server_port
        self._thread = Thread(target=self._server.serve_forever, name="ops-http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; requests in work are let go."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without asking the resolver for the host's full name, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = 10  # seconds a client may take for its request

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Keep scrapes out of the log."""
