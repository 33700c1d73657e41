"""Fills a client's queue before it starts, in the format that the client's own publisher uses."""

import json
import os
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import amqp

from benchmarks.guest import broker
from benchmarks.guest.orders import orders
from benchmarks.job import ROUTING_KEY, Job

__all__ = ["TRACEPARENT", "fill", "plain_messages"]

# what the broker still writes after its confirms would be charged to the client
SETTLE_SECONDS = 1.0
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

Messages = Iterator[amqp.Message]


def fill(job: Job, run: int) -> None:
    """Declare the job's queue and put its messages there; returns once the queue holds them."""
    with broker.connect(job) as connection:
        channel = connection.channel()
        module = job.client.partition("_")[0]
        messages = FORMATS.get(module, _plain)(job, run, channel)
        broker.publish(channel, messages, "", job.queue)
    broker.wait_for_depth(job, job.queue, job.messages)
    time.sleep(SETTLE_SECONDS)


def plain_messages(run: int, count: int) -> Messages:
    """Return order messages as the payment service sends them."""
    for identifier, body in orders(run, count):
        yield amqp.Message(
            body,
            content_type="application/json",
            delivery_mode=2,
            message_id=identifier,
            type=ROUTING_KEY,
            timestamp=1_795_341_600,
            application_headers={"traceparent": TRACEPARENT},
        )


def _plain(job: Job, run: int, channel: amqp.Channel) -> Messages:
    broker.declare(channel, job.queue, job.queue_type)
    return plain_messages(run, job.messages)


def _celery(job: Job, run: int, _channel: amqp.Channel) -> Messages:
    """Yield task messages as `process_order.delay(order)` sends them."""
    app = _application("celery_app", job).app
    with app.connection() as connection:
        app.amqp.queues[job.queue](connection.default_channel).declare()
    for identifier, body in orders(run, job.messages):
        task = app.amqp.as_task_v2(identifier, "process_order", args=[json.loads(body)])
        yield amqp.Message(
            json.dumps(task.body, separators=(",", ":")),
            content_type="application/json",
            content_encoding="utf-8",
            delivery_mode=2,
            priority=0,
            application_headers=task.headers,
            **task.properties,
        )


def _dramatiq(job: Job, run: int, _channel: amqp.Channel) -> Messages:
    """Yield messages as `process_order.send(order)` sends them."""
    module = _application("dramatiq_app", job)
    module.broker.declare_queue(job.queue, ensure=True)
    for _identifier, body in orders(run, job.messages):
        message = module.process_order.message(json.loads(body))
        yield amqp.Message(message.encode(), delivery_mode=2, priority=0)


FORMATS: dict[str, Callable[[Job, int, amqp.Channel], Messages]] = {
    "celery": _celery,
    "dramatiq": _dramatiq,
}


def _application(name: str, job: Job) -> Any:  # noqa: ANN401 - a module of the peers'
    os.environ.update(job.to_environment())
    return import_module(f"benchmarks.guest.peers.{name}")
