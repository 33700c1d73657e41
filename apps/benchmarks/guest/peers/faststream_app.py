"""FastStream on uvloop, acknowledging each message after its handler."""

from typing import Any

import anyio
from faststream import AckPolicy, FastStream
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitQueue

from benchmarks.guest.meter import Meter
from benchmarks.guest.peers.effects import handler
from benchmarks.job import PREFETCH, Job

__all__ = ["app", "process_order"]

job = Job.from_environment()
meter = Meter(job.meters)
handle = handler(job)

broker = RabbitBroker(
    f"amqp://{job.broker.user}:{job.broker.password}@{job.broker.host}/{job.broker.vhost}",
    default_channel=Channel(prefetch_count=PREFETCH),
    logger=None,
)
app = FastStream(broker, logger=None)


@broker.subscriber(
    RabbitQueue(job.queue, queue_type=QueueType(job.queue_type), durable=True),
    ack_policy=AckPolicy.NACK_ON_ERROR,
)
async def process_order(order: dict[str, Any]) -> None:
    """Handle one order."""
    handle(order)
    meter.count()


if __name__ == "__main__":
    anyio.run(app.run, backend_options={"use_uvloop": True})
