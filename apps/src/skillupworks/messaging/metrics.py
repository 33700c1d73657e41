"""What a consumer counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["ConsumerMetrics"]

# from a fast commit to a handler that waited for a lock
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class ConsumerMetrics:
    """The metrics of one consumer; each carries the queue's name as a label."""

    def __init__(self, registry: CollectorRegistry, queue: str) -> None:
        def counter(name: str, text: str) -> Counter:
            family = Counter(f"skillupworks_consumer_{name}", text, ["queue"], registry=registry)
            return family.labels(queue)

        def gauge(name: str, text: str) -> Gauge:
            family = Gauge(f"skillupworks_consumer_{name}", text, ["queue"], registry=registry)
            return family.labels(queue)

        self.received = counter("received", "Messages delivered to this consumer")
        self.processed = counter("processed", "Messages whose effect was committed")
        self.duplicates = counter("duplicates", "Messages whose effect was there already")
        self.retried = counter("retried", "Messages put aside for a later attempt")
        self.parked = counter("parked", "Messages put into the dead-letter queue with a reason")
        self.failures = counter("failures", "Attempts that failed, for whatever reason")
        self.reconnects = counter("reconnects", "Connections lost or not made while consuming")
        self.in_flight = gauge("in_flight", "Messages delivered and not yet acknowledged")
        self.connected = gauge("connected", "1 while the broker delivers to this consumer")
        self.queue_length = gauge("queue_length", "Messages in the queue that wait for a consumer")
        self.handler_seconds = Histogram(
            "skillupworks_consumer_handler_seconds",
            "Seconds of one call of the handler, for one message or a batch, with its commit",
            ["queue"],
            registry=registry,
            buckets=SECONDS,
        ).labels(queue)
