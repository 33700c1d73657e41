"""Errors of the HTTP services as problem documents (RFC 9457) that name the field."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from skillupworks.runtime import trace
from skillupworks.runtime.validation import path_of, words_of

__all__ = [
    "FieldError",
    "Problem",
    "ProblemError",
    "come_back",
    "install",
    "problem_response",
    "responses",
]

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5


class FieldError(BaseModel):
    """One field of the request, and what is wrong with it."""

    field: str = Field(examples=["items[0].quantity"])
    message: str = Field(examples=["Input should be greater than or equal to 1"])


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = Field(default="about:blank", description="A URI that identifies the kind")
    title: str = Field(description="The kind of problem", examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(description="What is wrong with this request")
    instance: str = Field(description="The path of the request", examples=["/payments"])
    errors: list[FieldError] = Field(default_factory=list, description="The fields at fault")
    code: str | None = Field(
        default=None, description="One word for a program to go by", examples=["out_of_stock"]
    )


class ProblemError(Exception):
    """Ends a request with a problem document; `errors` are (field, message) pairs.

    `code` is one word for a program to go by, where the status alone does not tell what to do.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = [FieldError(field=field, message=message) for field, message in errors]
        self.code = code
        self.headers = dict(headers or {})


def come_back(detail: str) -> ProblemError:
    """Return the problem of a request that may be repeated a little later."""
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"{detail}; repeat the request a little later, with the same Idempotency-Key if it has one",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def responses(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI should say about the problems of a route."""
    return {
        status.value: {
            "description": status.phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""

    @app.exception_handler(ProblemError)
    async def on_problem(request: Request, error: ProblemError) -> JSONResponse:
        return problem_response(request, error)

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> JSONResponse:
        status = HTTPStatus(error.status_code)
        detail = {
            HTTPStatus.NOT_FOUND: f"There is nothing at {request.url.path}",
            HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not possible here",
        }.get(status, str(error.detail))
        headers = dict(error.headers or {})
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(sorted(_methods_of(request)))
        return problem_response(request, ProblemError(status, detail, headers=headers))

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return problem_response(request, _from_validation(request, error))

    @app.exception_handler(Exception)
    async def on_bug(request: Request, _error: Exception) -> JSONResponse:
        # the server logs the traceback, with the trace; this answer does not pass the middleware
        problem = ProblemError(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "The service's log says why",
            headers={trace.HEADER: trace.current() or trace.accept(None)},
        )
        return problem_response(request, problem)

    _document(app)


def problem_response(request: Request, error: ProblemError) -> JSONResponse:
    """Return the problem document of an error."""
    problem = Problem(
        title=error.status.phrase,
        status=error.status.value,
        detail=error.detail,
        instance=request.url.path,
        errors=error.errors,
        code=error.code,
    )
    absent = {name for name in ("errors", "code") if not getattr(error, name)}
    return JSONResponse(
        problem.model_dump(exclude=absent),
        status_code=error.status.value,
        media_type=MEDIA_TYPE,
        headers=error.headers,
    )


def _methods_of(request: Request) -> set[str]:
    """Return what is possible at a path: each method has a route, and the first knows its own."""
    routes = (route for route in request.app.routes if isinstance(route, Route))
    here = (route for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    return {method for route in here for method in route.methods or ()}


def _from_validation(request: Request, error: RequestValidationError) -> ProblemError:
    details = error.errors()
    content_type = request.headers.get("content-type", "")
    if any(detail["loc"] == ("body",) for detail in details) and "json" not in content_type:
        return ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Type: must be application/json"
        )
    syntax = next((detail for detail in details if detail["type"] == "json_invalid"), None)
    if syntax is not None:
        reason = syntax.get("ctx", {}).get("error", syntax["msg"])
        return ProblemError(HTTPStatus.BAD_REQUEST, f"The body is not valid JSON: {reason}")
    errors = [(_field(detail["loc"]), _message(detail)) for detail in details]
    # a request whose headers are wrong is malformed, one whose body is wrong is not processable
    header = any(detail["loc"][0] == "header" for detail in details)
    status = HTTPStatus.BAD_REQUEST if header else HTTPStatus.UNPROCESSABLE_ENTITY
    return ProblemError(
        status, "; ".join(f"{field}: {message}" for field, message in errors), errors=errors
    )


def _message(detail: Mapping[str, Any]) -> str:
    if detail["type"] == "missing":
        return "is required"
    return words_of(detail)


def _field(location: Sequence[int | str]) -> str:
    """Return `items[0].sku` for ("body", "items", 0, "sku"), `Idempotency-Key` for a header."""
    source, *parts = location
    if source == "header":
        return "-".join(word.capitalize() for word in str(parts[0]).split("-"))
    return path_of(tuple(parts)) or "body"


def _document(app: FastAPI) -> None:
    """Put Problem into the OpenAPI document, and FastAPI's own error format out of it."""
    original = app.openapi

    def openapi() -> dict[str, Any]:
        document = original()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        if "Problem" not in schemas:
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(problem.pop("$defs", {}))
            schemas["Problem"] = problem
            schemas.pop("HTTPValidationError", None)
            schemas.pop("ValidationError", None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]
