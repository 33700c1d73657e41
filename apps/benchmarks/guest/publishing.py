"""Measures how fast messages get from a publisher to the broker's confirm."""

from dataclasses import replace
from typing import Any

from benchmarks.guest import broker
from benchmarks.guest.clients import OURS, publisher
from benchmarks.guest.measure import meters, run_client
from benchmarks.guest.orders import orders
from benchmarks.guest.prefill import TRACEPARENT
from benchmarks.guest.store import connect, empty_tables
from benchmarks.job import EXCHANGE, ROUTING_KEY, Job

__all__ = ["publish"]

ROWS_PER_INSERT = 1000
INSERT = (
    "INSERT INTO outbox (message_id, exchange, routing_key, type, body, traceparent, created_at)"
    " VALUES (%s, %s, %s, %s, %s, %s, UTC_TIMESTAMP(6))"
)


def publish(job: Job, run: int) -> dict[str, Any]:
    """Run one publisher until all of its messages are confirmed.

    Ours finds them committed in the outbox and takes them out of it again; the bare loop makes
    them as it goes. Raises RuntimeError when the queue does not hold each of them once.
    """
    with meters() as folder:
        job = replace(job, queue=f"benchmark-{job.client}-{run}", meters=str(folder))
        try:
            with broker.connect(job) as connection:
                broker.declare(connection.channel(), job.queue, job.queue_type)
            if job.client == OURS:
                _fill_outbox(job, run)
            result = run_client(job, [publisher(job, run)])
            broker.wait_for_depth(job, job.queue, job.messages)
        finally:
            broker.delete_queues(job)
    return result


def _fill_outbox(job: Job, run: int) -> None:
    empty_tables(job.database, "outbox")
    rows = [
        (identifier, EXCHANGE, ROUTING_KEY, ROUTING_KEY, body, TRACEPARENT)
        for identifier, body in orders(run, job.messages)
    ]
    with connect(job.database) as connection, connection.cursor() as cursor:
        for start in range(0, len(rows), ROWS_PER_INSERT):
            cursor.executemany(INSERT, rows[start : start + ROWS_PER_INSERT])
