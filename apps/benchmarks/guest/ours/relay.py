"""Our publisher: the outbox relay, over rows that are committed when it starts."""

import signal
from threading import Event

from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from benchmarks.guest.meter import Meter
from benchmarks.job import Job
from skillupworks.messaging.connection import Broker
from skillupworks.messaging.publisher import Batch, Publisher, PublishError
from skillupworks.reliability.outbox import Outbox
from skillupworks.reliability.pipeline import PIPELINE_CONNECTIONS
from skillupworks.reliability.relay import Relay
from skillupworks.reliability.relay_report import RelayMetrics
from skillupworks.runtime import logging
from skillupworks.runtime.database import Database
from skillupworks.runtime.settings import DatabaseSettings


class MeteredPublisher(Publisher):
    """Counts what the broker has confirmed."""

    def __init__(self, broker: Broker, meter: Meter) -> None:
        super().__init__(broker)
        self._meter = meter

    def wait(self, batch: Batch, *, timeout: float = 10.0) -> list[PublishError | None]:
        """See Publisher."""
        outcomes = super().wait(batch, timeout=timeout)
        self._meter.count(outcomes.count(None))
        return outcomes


def main() -> None:
    """Relay until SIGTERM."""
    logging.configure("benchmark")
    job = Job.from_environment()
    settings = DatabaseSettings(
        mysql_host=job.database.host,
        mysql_user=job.database.user,
        mysql_pass=SecretStr(job.database.password),
        mysql_database=job.database.name,
    )
    broker = Broker(
        hosts=(job.broker.host,),
        port=5672,
        user=job.broker.user,
        password=job.broker.password,
        vhost=job.broker.vhost,
        client="benchmark",
    )
    relay = Relay(
        Database(settings, size=PIPELINE_CONNECTIONS),
        Outbox(),
        MeteredPublisher(broker, Meter(job.meters)),
        RelayMetrics(CollectorRegistry()),
        limit=10 * job.messages,
    )
    stop = Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    relay.start()
    stop.wait()
    relay.stop()


if __name__ == "__main__":
    main()
