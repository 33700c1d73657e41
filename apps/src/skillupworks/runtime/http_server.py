"""Runs an HTTP service under systemd."""

import signal
import socket
from collections.abc import Callable

import structlog
import uvicorn
from fastapi import FastAPI

from skillupworks.runtime.notify import Notifier, Watchdog
from skillupworks.runtime.ops_server import cannot_listen

__all__ = ["listen", "serve_http"]

log = structlog.get_logger()

# requests that are being answered at a stop may take this long
GRACE_SECONDS = 15

# A connection may idle for this long. Longer than in the proxy before us, which then is who ends
# it: a request that meets our end would be lost, and may be one that must not be repeated.
IDLE_SECONDS = 75

# returns what hangs, or None
Hung = Callable[[], str | None]


def listen(address: str, port: int) -> socket.socket:
    """Return a listening socket; OSError names address and port when they cannot be had."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=1024)
    except OSError as error:
        raise cannot_listen(address, port, error) from error


def serve_http(
    app: FastAPI,
    listener: socket.socket,
    *hung: Hung,
    status: Callable[[], str] = lambda: "",
) -> None:
    """Answer requests until SIGTERM; the watchdog is fed while nothing of `hung` hangs.

    `status` is added to what `systemctl status` says. Closes the socket. Belongs to the main
    thread.
    """
    # uvicorn handles the signal, ends well, and then raises it again for whoever was there before
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    notifier = Notifier()
    try:
        _Server(app, notifier, Watchdog(notifier, *hung), status).run(sockets=[listener])
    finally:
        listener.close()


class _Server(uvicorn.Server):
    """uvicorn that talks to systemd from its event loop, the loop that does the work."""

    def __init__(
        self, app: FastAPI, notifier: Notifier, watchdog: Watchdog, status: Callable[[], str]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="uvloop",
                http="httptools",
                ws="none",
                lifespan="off",
                access_log=False,
                # X-Forwarded-For is believed by whoever needs it, and only of proxies that are
                # named: by itself uvicorn believes every process on this host
                proxy_headers=False,
                log_config=None,
                server_header=False,
                timeout_keep_alive=IDLE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._notifier = notifier
        self._watchdog = watchdog
        self._status = status

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so."""
        await super().startup(sockets)
        host, port = sockets[0].getsockname()[:2] if sockets else ("", 0)
        self._address = f"{host}:{port}"
        log.info(f"Listening on {self._address}")
        self._notifier.ready()

    async def on_tick(self, counter: int) -> bool:
        """Report to systemd once a second; uvicorn calls this ten times a second."""
        if counter % 10 == 0:
            parts = (f"listening on {self._address}", self._status())
            self._notifier.status(", ".join(part for part in parts if part))
            if reason := self._watchdog.progress():
                log.critical(f"The watchdog is no longer fed: {reason}")
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish the requests at work."""
        self._notifier.stopping()
        await super().shutdown(sockets)
