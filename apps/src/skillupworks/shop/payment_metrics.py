"""What is counted of payments."""

from prometheus_client import CollectorRegistry, Counter, Histogram

__all__ = ["PaymentMetrics"]

OUTCOMES = (
    *("paid", "pending", "declined", "out_of_stock", "price_changed"),
    *("abandoned", "repeated"),
)


class PaymentMetrics:
    """Payments by outcome, the gateway's time, and paid orders for which there is no stock."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.payments = Counter(
            "skillupworks_payments", "Payments by outcome", ["outcome"], registry=registry
        )
        for outcome in OUTCOMES:
            self.payments.labels(outcome)
        self.gateway_seconds = Histogram(
            "skillupworks_gateway_seconds",
            "Seconds until the gateway answered a charge, or did not",
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
        )
        self.without_stock = Counter(
            "skillupworks_orders_without_stock",
            "Paid orders whose stock could not be taken any more",
            registry=registry,
        )

    def count(self, outcome: str) -> None:
        """Count a payment."""
        self.payments.labels(outcome).inc()
