"""Measures latency from POST /payments to the order's line "processed", at a steady rate.

Open loop: every request has its planned time, and waits for nobody; latency counts from that time,
so that a service that stalls is charged for all the requests it kept waiting.
"""

import asyncio
import json
import resource
import time
import uuid
from dataclasses import dataclass, replace
from http import HTTPStatus
from statistics import quantiles
from typing import Any

import aiohttp
import uvloop

from benchmarks.guest.processing import processed
from benchmarks.guest.reporting import say
from benchmarks.guest.store import empty_all_tables
from benchmarks.guest.units import PAYMENT_URL, journal, running
from benchmarks.job import Job

__all__ = ["load"]

PROCESSED_LINE = "MESSAGE=✅ Order processed successfully!"
# the simulated gateway charges it at once
CARD = "4242 4242 4242 4242"
WARM_UP = 30
POLL_SECONDS = 0.5
DRAIN_SECONDS = 120.0


@dataclass
class Order:
    """What happened to one order; times are of the wall clock, in seconds."""

    planned: float
    answered: float = 0.0
    processed: float = 0.0
    order_id: str = ""


def load(job: Job, _run: int) -> dict[str, Any]:
    """Start payment and order processor and send `messages` orders, `rate` per second.

    Who is told to come back does so. Raises RuntimeError when an order is refused or is not
    processed in the end.
    """
    # services that fall behind keep a connection open for each order that waits
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for name in ("benchmark_payments", "benchmark_orders"):
        empty_all_tables(replace(job.database, name=name))
    customer = {"Authorization": f"Bearer {job.session}"}
    with running(job, "order-processor", "payment") as units:
        for unit in units.values():
            unit.start()
        uvloop.run(_send(customer, WARM_UP, 20))
        _wait_until_processed(WARM_UP)
        say("began")
        orders = uvloop.run(_send(customer, job.messages, job.rate))
        _wait_until_processed(WARM_UP + job.messages)
        say("ended")
        _add_times(orders)
    span = max(order.answered for order in orders) - orders[0].planned
    return {
        "messages": len(orders),
        "accepted_per_second": len(orders) / span,
        **_percentiles("post_to_processed", [o.processed - o.planned for o in orders]),
        **_percentiles("accepted_to_processed", [o.processed - o.answered for o in orders]),
        **_percentiles("post_to_accepted", [o.answered - o.planned for o in orders]),
    }


async def _send(customer: dict[str, str], count: int, rate: float) -> list[Order]:
    loop = asyncio.get_running_loop()
    orders: list[Order] = []
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(60),
            headers=customer,
        ) as session,
        asyncio.TaskGroup() as tasks,
    ):
        start = loop.time() + 0.2
        wall = time.time() - loop.time()
        for number in range(count):
            planned = start + number / rate
            await asyncio.sleep(planned - loop.time())
            orders.append(Order(planned + wall))
            tasks.create_task(_post(session, orders[-1]))
    return orders


async def _post(session: aiohttp.ClientSession, order: Order) -> None:
    key = str(uuid.uuid4())
    body = {
        "sessionId": f"user-session-{key[:8]}",
        "items": [{"sku": "Linux", "quantity": 1}],
        "card": {"number": CARD},
    }
    headers = {"Idempotency-Key": key}
    while True:
        async with session.post(f"{PAYMENT_URL}/payments", json=body, headers=headers) as answer:
            document = await answer.json(content_type=None)
            if answer.status == HTTPStatus.CREATED:
                order.answered = time.time()
                order.order_id = document["orderId"]
                return
            if answer.status != HTTPStatus.SERVICE_UNAVAILABLE:
                raise RuntimeError(f"POST /payments: {answer.status} {document}")
            pause = float(answer.headers["Retry-After"])
        # as it was told; the order's time goes on
        await asyncio.sleep(pause)


def _wait_until_processed(messages: int) -> None:
    deadline = time.monotonic() + DRAIN_SECONDS
    while (done := processed()) < messages:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{done} of {messages} orders are processed")
        time.sleep(POLL_SECONDS)


def _add_times(orders: list[Order]) -> None:
    """Read from the journal when each order was said to be processed, after its commit."""
    fields = "--output-fields=ORDER_ID,_SOURCE_REALTIME_TIMESTAMP"
    times: dict[str, float] = {}
    for line in journal("--output=json", fields, PROCESSED_LINE).splitlines():
        entry = json.loads(line)
        times[entry["ORDER_ID"]] = int(entry["_SOURCE_REALTIME_TIMESTAMP"]) / 1_000_000
    if missing := [order.order_id for order in orders if order.order_id not in times]:
        raise RuntimeError(f"the journal lacks the lines of {len(missing)} orders")
    for order in orders:
        order.processed = times[order.order_id]


def _percentiles(name: str, seconds: list[float]) -> dict[str, float]:
    cuts = quantiles(seconds, n=100, method="inclusive")
    return {f"{name}.p50": cuts[49] * 1000, f"{name}.p99": cuts[98] * 1000}
