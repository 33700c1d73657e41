"""Our consumer: the runtime as the services run it, with a handler of the benchmark's."""

import signal
from collections.abc import Sequence

from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from benchmarks.guest.meter import Meter
from benchmarks.guest.peers.effects import INSERT_ORDER, compute
from benchmarks.job import EXCHANGE, GROUP, PREFETCH, ROUTING_KEY, Effect, Job
from skillupworks.messaging import consumer as consumer_module
from skillupworks.messaging.connection import Broker
from skillupworks.messaging.consumer import Consumer
from skillupworks.messaging.declaration import Declaration, Process
from skillupworks.messaging.message import Outcome, Work
from skillupworks.messaging.metrics import ConsumerMetrics
from skillupworks.messaging.topology import QueueTopology
from skillupworks.reliability.unit import Transactional, Unit
from skillupworks.runtime import logging
from skillupworks.runtime.database import Database
from skillupworks.runtime.notify import Notifier
from skillupworks.runtime.settings import DatabaseSettings
from skillupworks.shop.order import Order
from skillupworks.shop.order_message import parse_order


class Handler:
    """A process that does nothing, or computes."""

    def __init__(self, *, computes: bool) -> None:
        self._computes = computes

    def __call__(self, batch: Sequence[Work[Order]]) -> Sequence[Outcome]:
        """See Process."""
        if self._computes:
            for _work in batch:
                compute()
        return [Outcome.PROCESSED] * len(batch)

    def check(self) -> str | None:
        """Return None: nothing is needed."""
        return None


class Metered:
    """A process that counts what another one has done."""

    def __init__(self, process: Process[Order], meter: Meter) -> None:
        self._process = process
        self._meter = meter

    def __call__(self, batch: Sequence[Work[Order]]) -> Sequence[Outcome]:
        """See Process."""
        outcomes = self._process(batch)
        for _outcome in outcomes:  # one by one, as everybody pays for it
            self._meter.count()
        return outcomes

    def check(self) -> str | None:
        """Return what the other process says."""
        return self._process.check()


def store(order: Order, unit: Unit) -> None:
    """Record the order; the inbox row is the runtime's part."""
    unit.insert(
        INSERT_ORDER,
        (
            order.order_id,
            order.payment_id,
            order.session_id,
            order.user_id,
            order.total,
            order.timestamp.replace(tzinfo=None),
        ),
    )


def process(job: Job) -> Process[Order]:
    """Return what is done with the messages."""
    if job.effect != Effect.STORE:
        return Handler(computes=job.effect == Effect.COMPUTE)
    settings = DatabaseSettings(
        mysql_host=job.database.host,
        mysql_user=job.database.user,
        mysql_pass=SecretStr(job.database.password),
        mysql_database=job.database.name,
    )
    return Transactional(Database(settings, size=2), "benchmark", store)


def main() -> None:
    """Consume until SIGTERM."""
    logging.configure("benchmark")
    job = Job.from_environment()
    if job.queue_type == "classic":
        # The runtime declares, and so insists on, quorum queues; this one is there already.
        vars(consumer_module)["declare"] = lambda *_arguments: None
    declaration = Declaration(
        topology=QueueTopology(
            queue=job.queue,
            exchange=EXCHANGE,
            binding_keys=(ROUTING_KEY,),
            dead_letter_exchange=f"{EXCHANGE}.dlx",
            dead_letter_queue=f"{job.queue}.dead",
        ),
        read=parse_order,
        process=Metered(process(job), Meter(job.meters)),
        prefetch=PREFETCH,
        batch=GROUP,
        retry_delays=(),  # nothing fails here: no queue needs to be declared for it
        announce=False,  # a line per message belongs to the figure of the order processor
    )
    broker = Broker(
        hosts=(job.broker.host,),
        port=5672,
        user=job.broker.user,
        password=job.broker.password,
        vhost=job.broker.vhost,
        client="benchmark",
    )
    metrics = ConsumerMetrics(CollectorRegistry(), job.queue)
    consumer = Consumer(broker, declaration, metrics, Notifier({}))
    signal.signal(signal.SIGTERM, lambda _number, _frame: consumer.stop())
    consumer.run()


if __name__ == "__main__":
    main()
