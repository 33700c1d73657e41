"""Celery, late acknowledgements, without the parts that cost and are not measured here.

No results, no events, no remote control; as many messages prefetched as everybody has.
"""

from typing import Any

from celery import Celery
from kombu import Queue

from benchmarks.guest.meter import Meter
from benchmarks.guest.peers.effects import handler
from benchmarks.job import PREFETCH, Job

__all__ = ["app", "process_order"]

job = Job.from_environment()
meter = Meter(job.meters)
handle = handler(job)

app = Celery(
    broker=f"amqp://{job.broker.user}:{job.broker.password}@{job.broker.host}/{job.broker.vhost}"
)
app.conf.update(
    task_queues=[
        Queue(
            job.queue,
            exchange=job.queue,
            routing_key=job.queue,
            durable=True,
            queue_arguments={"x-queue-type": job.queue_type},
        )
    ],
    task_default_queue=job.queue,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=PREFETCH // job.processes,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=False,
)


@app.task(name="process_order")
def process_order(order: dict[str, Any]) -> None:
    """Handle one order."""
    handle(order)
    meter.count()
