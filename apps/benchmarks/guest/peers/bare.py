"""Bare pika: the loop of every tutorial, and the same with one acknowledgement per group.

Usage: bare.py single|grouped
"""

import json
import sys
from typing import TYPE_CHECKING

import pika

from benchmarks.guest.meter import Meter
from benchmarks.guest.peers.effects import handler
from benchmarks.job import GROUP, PREFETCH, Job

if TYPE_CHECKING:
    from pika.adapters.blocking_connection import BlockingChannel
    from pika.spec import Basic, BasicProperties

__all__ = ["connect"]


def connect(job: Job) -> pika.BlockingConnection:
    """Return a connection to the job's broker."""
    return pika.BlockingConnection(
        pika.ConnectionParameters(
            host=job.broker.host,
            virtual_host=job.broker.vhost,
            credentials=pika.PlainCredentials(job.broker.user, job.broker.password),
        )
    )


def consume(job: Job, group: int) -> None:
    """Consume until killed; acknowledge `group` messages at once."""
    meter = Meter(job.meters)
    handle = handler(job)
    seen = 0

    def on_message(
        channel: "BlockingChannel",
        method: "Basic.Deliver",
        _properties: "BasicProperties",
        body: bytes,
    ) -> None:
        nonlocal seen
        seen += 1
        handle(json.loads(body))
        if group == 1:
            channel.basic_ack(method.delivery_tag or 0)
        elif seen % group == 0 or seen == job.messages:
            channel.basic_ack(method.delivery_tag or 0, multiple=True)
        meter.count()

    channel = connect(job).channel()
    channel.basic_qos(prefetch_count=PREFETCH)
    channel.basic_consume(job.queue, on_message)
    channel.start_consuming()


if __name__ == "__main__":
    consume(Job.from_environment(), 1 if sys.argv[1] == "single" else GROUP)
