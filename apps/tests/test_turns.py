"""Requests of a slow kind take turns: a slow gateway stops payments, and nothing else."""

import asyncio
from collections import Counter
from threading import Event
from typing import Any

import httpx2 as httpx
import pytest
from fastapi import Depends, FastAPI
from prometheus_client import CollectorRegistry

from skillupworks.runtime.health import Readiness
from skillupworks.runtime.http_app import create_http_app
from skillupworks.runtime.turns import Turns

MANY = 60


def create_app(turns: Turns, gateway: Event) -> FastAPI:
    """Return an application with a route that waits for the gateway, and one that does not."""
    app = create_http_app(
        title="t",
        summary="t",
        description="t",
        readiness=Readiness(checks={}, degraded={}),
        registry=CollectorRegistry(),
    )

    @app.post("/slow", dependencies=[Depends(turns.take, scope="function")])
    def slow(fail: bool = False) -> str:  # noqa: FBT001, FBT002 - a query
        if fail:
            raise RuntimeError("broken")
        gateway.wait(20)
        return "done"

    @app.get("/quick")
    def quick() -> str:
        return "done"

    return app


def client_of(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://shop")


def test_while_all_turns_are_taken_other_routes_answer(events: list[Any]) -> None:
    del events
    gateway = Event()

    async def run() -> tuple[int, Counter[int], set[str | None]]:
        async with client_of(create_app(Turns(20, 0.2), gateway)) as client:
            slow = [asyncio.create_task(client.post("/slow")) for _ in range(MANY)]
            await asyncio.sleep(0.05)
            quick = await asyncio.wait_for(client.get("/quick"), 5)
            await asyncio.wait(slow, timeout=1, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0.3)
            gateway.set()
            answers = await asyncio.gather(*slow)
            retries = {answer.headers.get("Retry-After") for answer in answers if answer.is_error}
            return quick.status_code, Counter(answer.status_code for answer in answers), retries

    quick, slow, retries = asyncio.run(run())
    assert quick == 200
    assert slow == {200: 20, 503: MANY - 20}
    assert retries == {"5"}


def test_quick_ones_all_get_their_turn(events: list[Any]) -> None:
    del events
    gateway = Event()
    gateway.set()

    async def run() -> Counter[int]:
        async with client_of(create_app(Turns(2, 10), gateway)) as client:
            answers = await asyncio.gather(*(client.post("/slow") for _ in range(MANY)))
            return Counter(answer.status_code for answer in answers)

    assert asyncio.run(run()) == {200: MANY}


@pytest.mark.parametrize("times", [1, 5])
def test_a_turn_is_given_back_by_what_fails(events: list[Any], times: int) -> None:
    del events
    gateway = Event()
    gateway.set()

    async def run() -> int:
        async with client_of(create_app(Turns(1, 0.2), gateway)) as client:
            for _ in range(times):
                assert (await client.post("/slow?fail=true")).status_code == 500
            return (await client.post("/slow")).status_code

    assert asyncio.run(run()) == 200
