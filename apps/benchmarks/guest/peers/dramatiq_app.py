"""Dramatiq with the middleware that it would have anyway: retries, time limits, age limits.

It declares queues without a type: they are of the virtual host's default type.
"""

from typing import Any

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from benchmarks.guest.meter import Meter
from benchmarks.guest.peers.effects import handler
from benchmarks.job import Job

__all__ = ["broker", "process_order"]

job = Job.from_environment()
meter = Meter(job.meters)
handle = handler(job)

broker = RabbitmqBroker(
    url=f"amqp://{job.broker.user}:{job.broker.password}@{job.broker.host}/{job.broker.vhost}"
)
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name=job.queue)
def process_order(order: dict[str, Any]) -> None:
    """Handle one order."""
    handle(order)
    meter.count()
