"""systemd is told the state of a service; systemd is played by a real socket."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from skillupworks.runtime.notify import Notifier, Watchdog


class Manager:
    """The receiving end of $NOTIFY_SOCKET."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server

    def heard(self) -> list[str]:
        """Return what was sent since the last call."""
        messages = []
        while True:
            try:
                messages.append(self._server.recv(4096, socket.MSG_DONTWAIT).decode())
            except BlockingIOError:
                return messages


@pytest.fixture
def address(tmp_path: Path) -> str:
    """Return the path of the socket."""
    return str(tmp_path / "notify")


@pytest.fixture
def manager(address: str) -> Iterator[Manager]:
    """Listen like systemd."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(address)
        yield Manager(server)


def test_the_life_of_a_service_is_reported(manager: Manager, address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address})

    notifier.ready()
    notifier.status("connected to 10.0.0.2, 3 in flight, 12,345 processed")
    notifier.alive()
    notifier.stopping()

    assert manager.heard() == [
        "READY=1",
        "STATUS=connected to 10.0.0.2, 3 in flight, 12,345 processed",
        "WATCHDOG=1",
        "STOPPING=1",
    ]


def test_a_status_is_sent_when_it_changes(manager: Manager, address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address})

    for line in ("connecting", "connecting", "connected"):
        notifier.status(line)

    assert manager.heard() == ["STATUS=connecting", "STATUS=connected"]


def test_an_abstract_socket_is_reached_as_well() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("\0skillupworks-test-notify")

        Notifier({"NOTIFY_SOCKET": "@skillupworks-test-notify"}).ready()

        assert server.recv(100, socket.MSG_DONTWAIT) == b"READY=1"


def test_without_systemd_nothing_happens() -> None:
    Notifier({}).ready()
    Notifier({"NOTIFY_SOCKET": "/nonexistent/socket"}).ready()


class TestWatchdog:
    """The watchdog is fed by progress."""

    def test_it_is_fed_at_most_four_times_per_timeout(self, manager: Manager, address: str) -> None:
        # Given a watchdog of 30 s
        now = [100.0]
        environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000000"}
        watchdog = Watchdog(Notifier(environment), environment=environment, clock=lambda: now[0])

        # When there is progress every second for a minute
        for _ in range(60):
            watchdog.progress()
            now[0] += 1

        # Then it is fed every 8th second, the first after a quarter of the timeout
        assert manager.heard() == ["WATCHDOG=1"] * 8

    def test_it_starves_while_something_hangs(self, manager: Manager, address: str) -> None:
        environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "4"}
        hangs: list[str | None] = ["the handler"]
        watchdog = Watchdog(Notifier(environment), lambda: hangs[0], environment=environment)

        assert watchdog.progress() == "the handler"
        assert manager.heard() == []

        hangs[0] = None
        assert watchdog.progress() is None
        assert manager.heard() == ["WATCHDOG=1"]

    def test_without_a_watchdog_nothing_is_sent(self, manager: Manager, address: str) -> None:
        environment = {"NOTIFY_SOCKET": address}

        Watchdog(Notifier(environment), environment=environment).progress()

        assert manager.heard() == []
