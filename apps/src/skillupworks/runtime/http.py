"""What every HTTP service has around its routes: bounded bodies, a trace and an event for each."""

from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from time import monotonic
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.exceptions import HTTPException

from skillupworks.runtime import trace

__all__ = ["BodyLimit", "HttpMetrics", "RequestLog"]

log = structlog.get_logger()

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# asked for by monitoring every few seconds: counted, and logged only when they fail
PROBES = ("/health", "/ready", "/metrics")

TRACEPARENT = trace.HEADER.encode()


class HttpMetrics:
    """What an HTTP service counts; `route` is the path's pattern, so that ids make no series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["method", "route", "status"]
        self.requests = Counter(
            "skillupworks_http_requests", "Requests answered", labels, registry=registry
        )
        self.seconds = Histogram(
            "skillupworks_http_request_seconds",
            "Seconds until the answer",
            ["method", "route"],
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )


class RequestLog:
    """ASGI middleware: one event and one sample per request, which runs in a trace.

    The trace is the one of the request's `traceparent`, or begins here; the answer tells it. A
    route adds facts to its event by setting `request.state.facts` (a dict).
    """

    def __init__(self, app: App, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and report it when it is answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = monotonic()
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value
        traceparent = trace.accept(_traceparent(scope))
        # not ended with the block: the server logs the traceback of a bug in this task after it
        trace.bind(traceparent)

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                header = (TRACEPARENT, traceparent.encode())
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            self._report(scope, status, monotonic() - began)

    def _report(self, scope: Scope, status: int, seconds: float) -> None:
        method, path = scope["method"], scope["path"]
        route = getattr(scope.get("route"), "path", "unknown")
        self._metrics.requests.labels(method, route, status).inc()
        self._metrics.seconds.labels(method, route).observe(seconds)
        if path in PROBES and status < HTTPStatus.BAD_REQUEST:
            return
        level = log.error if status >= HTTPStatus.INTERNAL_SERVER_ERROR else log.info
        level(
            f"{method} {path} {status}",
            method=method,
            path=path,
            status=status,
            duration_ms=round(seconds * 1000, 1),
            client=(scope.get("client") or ("",))[0],
            **scope.get("state", {}).get("facts", {}),
        )


def _traceparent(scope: Scope) -> str | None:
    """Return the request's header; None when it came several times, which is not valid."""
    values = [value for name, value in scope["headers"] if name == TRACEPARENT]
    return values[0].decode("latin-1") if len(values) == 1 else None


class BodyLimit:
    """ASGI middleware: refuses bodies beyond a size, by their announced and their real length."""

    def __init__(self, app: App, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; reading more of its body than allowed raises a 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"")
        too_large = announced.isdigit() and int(announced) > self._limit
        received = 0

        async def bounded() -> Message:
            nonlocal received
            if not too_large:
                message = await receive()
                received += len(message.get("body", b""))
                if received <= self._limit:
                    return message
            raise HTTPException(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"The body is larger than {self._limit} bytes",
            )

        await self._app(scope, bounded, send)
