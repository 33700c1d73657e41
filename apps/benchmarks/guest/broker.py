"""The broker as the measuring side uses it: connections, depths, publishing in a pipeline."""

import time
from collections.abc import Iterable

import amqp

from benchmarks.job import EXCHANGE, ROUTING_KEY, Job

__all__ = ["connect", "declare", "delete_queues", "depth", "publish", "wait_for_depth"]

# messages sent before their confirms are waited for
PIPELINE = 1000
DEPTH_SECONDS = 60.0


def connect(job: Job) -> amqp.Connection:
    """Return an open connection to the job's virtual host."""
    connection = amqp.Connection(
        host=job.broker.host,
        virtual_host=job.broker.vhost,
        userid=job.broker.user,
        password=job.broker.password,
    )
    connection.connect()
    return connection


def declare(channel: amqp.Channel, queue: str, queue_type: str) -> None:
    """Declare a durable queue, and bind it to where the payment service publishes orders."""
    arguments = {"x-queue-type": queue_type}
    channel.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)
    channel.exchange_declare(EXCHANGE, "direct", durable=True, auto_delete=False)
    channel.queue_bind(queue, EXCHANGE, ROUTING_KEY)


def publish(
    channel: amqp.Channel, messages: Iterable[amqp.Message], exchange: str, routing_key: str
) -> None:
    """Publish all messages; returns once the broker has confirmed the last one."""
    sent = confirmed = 0

    def on_ack(tag: int, multiple: bool) -> None:  # noqa: FBT001 - the library's signature
        nonlocal confirmed
        confirmed = tag if multiple else confirmed + 1

    def on_nack(*_arguments: object) -> None:
        raise RuntimeError(f"the broker refused a message for {routing_key}")

    channel.confirm_select()
    channel.events["basic_ack"].add(on_ack)
    channel.events["basic_nack"].add(on_nack)
    for message in messages:
        channel.basic_publish(message, exchange=exchange, routing_key=routing_key)
        sent += 1
        while sent - confirmed > PIPELINE:
            channel.connection.drain_events(timeout=30)
    while confirmed < sent:
        channel.connection.drain_events(timeout=30)


def depth(job: Job, queue: str) -> int:
    """Return how many messages of a queue are ready to be delivered."""
    with connect(job) as connection:
        count: int = connection.channel().queue_declare(queue, passive=True).message_count
    return count


def wait_for_depth(job: Job, queue: str, messages: int) -> None:
    """Wait until a queue holds so many; the counter of a quorum queue lags behind."""
    deadline = time.monotonic() + DEPTH_SECONDS
    while (found := depth(job, queue)) != messages:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{queue} holds {found} messages, not {messages}")
        time.sleep(0.1)


def delete_queues(job: Job) -> None:
    """Delete what a client has declared; nothing happens to what is not there."""
    queue = job.queue
    with connect(job) as connection:
        channel = connection.channel()
        # Dramatiq's delayed and dead messages; our own dead letters; Celery's exchange
        for name in (queue, f"{queue}.DQ", f"{queue}.XQ", f"{queue}.dead"):
            channel.queue_delete(name)
        channel.exchange_delete(queue)
