"""The shop's exchange and queue, as its publishers and consumers agree on them."""

from skillupworks.messaging.topology import QueueTopology

__all__ = ["EXCHANGE", "ORDER_CREATED", "ORDER_PROCESSING"]

EXCHANGE = "skillupworks"
ORDER_CREATED = "order.created"

ORDER_PROCESSING = QueueTopology(
    queue="order-processing",
    exchange=EXCHANGE,
    # the queue's own name as a key: what a person publishes by hand with it arrives as well
    binding_keys=(ORDER_CREATED, "order-processing"),
    dead_letter_exchange="skillupworks.dlx",
    dead_letter_queue="order-processing-dlq",
    has_policies=True,
)
