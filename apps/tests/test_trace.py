"""A trace goes from the request through threads and services, and is in every log event."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from skillupworks.runtime import problems, trace
from skillupworks.runtime.http import HttpMetrics, RequestLog

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-00"

log = structlog.get_logger()


def test_a_valid_trace_is_continued_with_another_span() -> None:
    ours = trace.accept(PARENT)

    version, trace_id, span, flags = ours.split("-")
    assert ("00", TRACE, "00") == (version, trace_id, flags)
    assert span != "00f067aa0ba902b7"
    assert trace.trace_id(ours) == TRACE


def test_a_later_version_with_more_fields_is_continued_as_ours() -> None:
    assert trace.accept(f"01-{PARENT[3:]}-more").startswith(f"00-{TRACE}-")


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"bytes",
        "",
        PARENT.upper(),
        f"ff{PARENT[2:]}",
        f"{PARENT}-",
        f"{PARENT}-more",
        f"01-{PARENT[3:]}.more",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"{PARENT}\n",
    ],
)
def test_anything_else_begins_a_trace(header: object) -> None:
    ours = trace.accept(header)

    assert trace.trace_id(ours) != TRACE
    assert trace.VALID.fullmatch(ours)
    assert trace.accept(ours).startswith(ours[:36])


@given(st.text())
def test_no_header_raises_an_error(header: str) -> None:
    assert len(trace.accept(header)) == 55


def test_within_a_trace_every_event_has_its_id(events: list[Any]) -> None:
    assert trace.current() is None
    with trace.traced(PARENT):
        log.info("outer")
        with trace.traced(trace.accept(None)):
            log.info("inner")
        log.info("outer again")
        assert trace.current() == PARENT
    log.info("outside")

    assert trace.current() is None
    outer, inner, again, outside = (event.get("trace_id") for event in events)
    assert (TRACE, TRACE, None) == (outer, again, outside)
    assert inner not in (TRACE, None)


def test_a_trace_belongs_to_its_thread() -> None:
    seen: list[str | None] = []
    with trace.traced(PARENT):
        thread = threading.Thread(target=lambda: seen.append(trace.current()))
        thread.start()
        thread.join()

    assert seen == [None]


@pytest.fixture
def client(events: list[Any]) -> Iterator[TestClient]:
    """Return a client of an application whose routes run in worker threads."""
    del events
    app = FastAPI()
    problems.install(app)
    app.add_middleware(RequestLog, metrics=HttpMetrics(CollectorRegistry()))

    @app.get("/trace")
    def show() -> str | None:
        log.info("in the worker thread")
        return trace.current()

    @app.get("/bug")
    def bug() -> None:
        raise ValueError("boom")

    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_a_request_continues_the_clients_trace_and_answers_it(
    client: TestClient, events: list[Any]
) -> None:
    answer = client.get("/trace", headers={"traceparent": PARENT})

    assert answer.headers["traceparent"].startswith(f"00-{TRACE}-")
    assert answer.headers["traceparent"] == answer.json()
    assert [("in the worker thread", TRACE), ("GET /trace 200", TRACE)] == [
        (event["event"], event["trace_id"]) for event in events
    ]


def test_each_request_without_a_trace_begins_one(client: TestClient) -> None:
    first, second = client.get("/trace"), client.get("/trace")

    assert trace.trace_id(first.json()) != trace.trace_id(second.json())


def test_a_trace_that_came_twice_is_none(client: TestClient) -> None:
    headers = [("traceparent", PARENT), ("traceparent", PARENT)]

    assert TRACE not in client.get("/trace", headers=headers).headers["traceparent"]


@pytest.mark.parametrize("path", ["/nothing", "/bug"])
def test_an_error_is_answered_with_its_trace_too(client: TestClient, path: str) -> None:
    answer = client.get(path, headers={"traceparent": PARENT})

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["traceparent"].startswith(f"00-{TRACE}-")
