"""A base image is either complete or not there."""

import http.server
import os
import socket
import threading
from pathlib import Path

import pytest

from lab.errors import ImageError
from lab.paths import CACHE
from lab.tests.machine_state import left_behind, machine_state
from lab.tests.runner import LabRunner, wait_until

pytestmark = pytest.mark.lab


class EmptyArchive(http.server.BaseHTTPRequestHandler):
    """A proxy that finds nothing."""

    def do_GET(self) -> None:
        """Answer any request with 404."""
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def proxies(port: int) -> dict[str, str]:
    """Return an environment that sends the build's downloads to a port of this machine.

    Another proxy is another recipe, so nothing comes from the cache.
    """
    return dict.fromkeys(("http_proxy", "https_proxy"), f"http://127.0.0.1:{port}")


def partial_images() -> list[Path]:
    """Return what half-way builds left in the cache."""
    return list(CACHE.glob("*.partial"))


def test_an_image_that_cannot_be_built(
    neighbour: LabRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given an archive without packages, `up` shows the builder's words and leaves nothing."""
    before = machine_state()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), EmptyArchive) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name, value in proxies(server.server_port).items():
            monkeypatch.setitem(os.environ, name, value)
        with pytest.raises(ImageError, match="mmdebstrap could not build debian-13-") as failure:
            neighbour.up()
        server.shutdown()

    assert any("404" in line for line in failure.value.details)
    assert left_behind(before) == {}
    assert partial_images() == []


def test_a_killed_build_ends_at_once_and_its_remains_are_deleted(neighbour: LabRunner) -> None:
    """Given an `up` killed while it builds, no builder lives on; the next `up` deletes the rest."""
    before = machine_state()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with neighbour.start("up", **proxies(silent.getsockname()[1])) as process:
            silent.settimeout(60)
            # The build has begun to download, and will wait for an answer that never comes.
            connection, _ = silent.accept()
            process.kill()
        with connection:
            wait_until(lambda: "processes" not in left_behind(before))
    assert partial_images()

    neighbour.down()
    assert left_behind(before) == {}

    neighbour.up()
    assert partial_images() == []
