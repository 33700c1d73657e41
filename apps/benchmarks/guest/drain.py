"""Measures how fast a client empties a queue that was filled before."""

import time
from dataclasses import replace
from typing import Any

from benchmarks.guest import broker
from benchmarks.guest.clients import consumers
from benchmarks.guest.measure import meters, run_client
from benchmarks.guest.prefill import fill
from benchmarks.guest.store import empty_tables
from benchmarks.job import Effect, Job

__all__ = ["drain"]

# a connection that ends gives back what was not acknowledged; the broker counts that a bit later
RETURN_SECONDS = 0.3


def drain(job: Job, run: int) -> dict[str, Any]:
    """Run one client over a queue of its own.

    Raises RuntimeError when it leaves a message behind: its rate would say nothing.
    """
    with meters() as folder:
        job = replace(job, queue=f"benchmark-{job.client}-{run}", meters=str(folder))
        try:
            fill(job, run)
            if job.effect == Effect.STORE:
                empty_tables(job.database, "inbox", "orders")
            result = run_client(job, consumers(job))
            _require_empty(job)
        finally:
            broker.delete_queues(job)
    return result


def _require_empty(job: Job) -> None:
    time.sleep(RETURN_SECONDS)
    if left := broker.depth(job, job.queue):
        raise RuntimeError(f"{job.client} left {left} messages unacknowledged")
