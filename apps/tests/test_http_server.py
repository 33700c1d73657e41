"""The server of HTTP services: how long a connection may idle."""

import re
import select
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

from skillupworks.runtime import http_server

SOURCE = str(Path(__file__).parents[1] / "src")
NGINX = Path(__file__).resolve().parents[2] / "roles/frontend/templates/nginx.conf.j2"
# uvicorn's own limit, and a little more
UVICORN_SECONDS = 5.5

PROGRAM = """
from fastapi import FastAPI
from skillupworks.runtime.http_server import listen, serve_http

app = FastAPI()
app.get("/")(lambda: "here")
listener = listen("127.0.0.1", 0)
print(listener.getsockname()[1], flush=True)
serve_http(app, listener)
"""


def _read(connection: HTTPConnection) -> bytes:
    connection.request("GET", "/")
    return connection.getresponse().read()


def test_a_connection_that_idles_is_left_open_for_the_next_request() -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": SOURCE},
    )
    assert server.stdout is not None
    with server, server.stdout:
        connection = HTTPConnection("127.0.0.1", int(server.stdout.readline()), timeout=10)
        try:
            assert _read(connection) == b'"here"'
            assert isinstance(connection.sock, socket.socket)
            # whose end would make it readable
            ended, _, _ = select.select([connection.sock], [], [], UVICORN_SECONDS)
            assert not ended
            assert _read(connection) == b'"here"'
        finally:
            connection.close()
            server.send_signal(signal.SIGTERM)


def test_the_proxy_ends_idle_connections_before_the_services_do() -> None:
    upstream = re.search(r"keepalive_timeout (\d+)s;\n  }", NGINX.read_text(encoding="utf-8"))
    assert upstream
    assert int(upstream[1]) < http_server.IDLE_SECONDS
