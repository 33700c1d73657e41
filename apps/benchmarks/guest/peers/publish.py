"""Bare pika, publishing safely: mandatory, persistent, and waiting for each confirm.

Usage: publish.py RUN
"""

import sys

import pika

from benchmarks.guest.meter import Meter
from benchmarks.guest.orders import orders
from benchmarks.guest.peers.bare import connect
from benchmarks.guest.prefill import TRACEPARENT
from benchmarks.job import EXCHANGE, ROUTING_KEY, Job


def publish(job: Job, run: int) -> None:
    """Publish the job's messages, then wait to be stopped."""
    meter = Meter(job.meters)
    connection = connect(job)
    channel = connection.channel()
    channel.confirm_delivery()
    for identifier, body in orders(run, job.messages):
        channel.basic_publish(
            EXCHANGE,
            ROUTING_KEY,
            body,
            pika.BasicProperties(
                content_type="application/json",
                delivery_mode=pika.DeliveryMode.Persistent.value,
                message_id=identifier,
                type=ROUTING_KEY,
                timestamp=1_795_341_600,
                headers={"traceparent": TRACEPARENT},
            ),
            mandatory=True,
        )
        meter.count()
    connection.sleep(3600)


if __name__ == "__main__":
    publish(Job.from_environment(), int(sys.argv[1]))
