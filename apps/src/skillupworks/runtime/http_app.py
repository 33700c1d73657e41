"""The routes and the surroundings that every HTTP service has in common."""

from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from skillupworks.errors import StoreUnavailableError
from skillupworks.runtime.health import Readiness
from skillupworks.runtime.http import BodyLimit, HttpMetrics, RequestLog
from skillupworks.runtime.problems import come_back, install, problem_response, responses

__all__ = ["MAX_BODY_BYTES", "add_facts", "create_http_app"]

MAX_BODY_BYTES = 64 * 1024
# no problem document: it has the same form as when all is well
NOT_READY = {"description": "What is needed does not answer", "content": {"application/json": {}}}


def create_http_app(
    *,
    title: str,
    summary: str,
    description: str,
    readiness: Readiness,
    registry: CollectorRegistry,
) -> FastAPI:
    """Return an application with /health, /ready, /metrics and /docs, to add routes to.

    Every error is answered with a problem document, 503 and Retry-After while the database is
    away; bodies are bounded; each request is counted, traced, and one log event.
    """
    app = FastAPIOffline(
        title=title,
        summary=summary,
        description=f"{description} Errors are problem documents (RFC 9457).",
        version="1",
        redoc_url=None,
        responses=responses(HTTPStatus.UNPROCESSABLE_ENTITY),
    )
    install(app)
    app.add_middleware(BodyLimit, limit=MAX_BODY_BYTES)
    app.add_middleware(RequestLog, metrics=HttpMetrics(registry))

    @app.exception_handler(StoreUnavailableError)
    async def on_unavailable(request: Request, error: StoreUnavailableError) -> Response:
        add_facts(request, error=str(error))
        return problem_response(request, come_back("The database does not answer"))

    # the next two are coroutines: they answer also when all threads wait for the database
    @app.get("/health", summary="Say that the process lives")
    async def health() -> dict[str, str]:
        """Answer 200 as long as the process handles requests."""
        return {"status": "up"}

    @app.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
    async def metrics() -> Response:
        """Return all metrics in Prometheus' text format."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.get(
        "/ready",
        summary="Say whether requests can be answered",
        responses={HTTPStatus.SERVICE_UNAVAILABLE.value: NOT_READY},
    )
    def ready() -> JSONResponse:
        """Answer 200 when all that is needed answers, 503 otherwise; the body names what fails.

        What the service can do without for a while makes it `degraded`, not unready.
        """
        is_ready, body = readiness.report()
        status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse(body, status_code=status)

    return app


def add_facts(request: Request, **facts: str) -> None:
    """Add fields to the log event of a request; one that is there already is replaced."""
    request.state.facts = getattr(request.state, "facts", {}) | facts
