"""What the order processor does with an order; knows neither broker nor database."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from functools import partial

import structlog
from prometheus_client import CollectorRegistry, Histogram

from skillupworks.errors import PermanentError
from skillupworks.messaging.message import Outcome
from skillupworks.reliability.effects import add_effect
from skillupworks.runtime import trace
from skillupworks.runtime.logging import info_lines
from skillupworks.shop.order import Order
from skillupworks.shop.order_lines import PROCESSED_LINE, duplicate_line, received_lines
from skillupworks.shop.order_store import OrderUnit, add_order, recorded_order

__all__ = ["OrderHandler", "order_seconds"]

log = structlog.get_logger()

# from a hand-over within milliseconds to a message that was parked and replayed the next day
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 600, 3600, 86400)


def order_seconds(registry: CollectorRegistry) -> Histogram:
    """Return the histogram of the seconds from an order's acceptance to its commit here."""
    return Histogram(
        "skillupworks_order_seconds",
        "Seconds from the order's acceptance until it was processed, by both hosts' clocks",
        registry=registry,
        buckets=SECONDS,
    )


class OrderHandler:
    """Records an order with the effects it shall have; idempotent by message and by order.

    `effects` are the kinds of effects of an order, `recorded` is called after each commit. An
    order's lines are said after the commit only, so that nobody reads "processed" about an order
    that is then rolled back, and a duplicate says them never.
    """

    def __init__(
        self, effects: Collection[str], recorded: Callable[[], None], seconds: Histogram
    ) -> None:
        self._effects = effects
        self._recorded = recorded
        self._seconds = seconds

    def __call__(self, order: Order, unit: OrderUnit) -> Outcome:
        """Record the order; PermanentError when another one is recorded under its id.

        In a batch nothing is looked up: an order that is recorded already fails the whole batch
        at its inserts, and the messages then come one by one.
        """
        if unit.alone and not unit.recorded and _is_recorded(order, unit):
            unit.after_commit(partial(self.duplicate, order, unit))
            return Outcome.DUPLICATE
        add_order(unit, order)
        for kind in self._effects:
            add_effect(unit, kind, order.order_id)
        unit.after_commit(partial(self._processed, order, unit))
        return Outcome.PROCESSED

    def duplicate(self, order: Order, unit: OrderUnit) -> None:
        """Say that an order was processed before."""
        log.info(
            duplicate_line(order),
            order_id=order.order_id,
            outcome=str(Outcome.DUPLICATE),
            duration_ms=unit.elapsed_ms(),
        )

    def _processed(self, order: Order, unit: OrderUnit) -> None:
        trace_id = trace.current_id()
        info_lines(received_lines(order), order_id=order.order_id, trace_id=trace_id)
        info_lines(
            (PROCESSED_LINE,),
            order_id=order.order_id,
            message_id=unit.message_id,
            attempt=unit.attempt,
            outcome=str(Outcome.PROCESSED),
            duration_ms=unit.elapsed_ms(),
            trace_id=trace_id,
        )
        # the clocks of two hosts differ by more than a fast order takes
        self._seconds.observe(max(0.0, (datetime.now(UTC) - order.timestamp).total_seconds()))
        self._recorded()


def _is_recorded(order: Order, unit: OrderUnit) -> bool:
    recorded = recorded_order(unit, order.order_id)
    if recorded is not None and recorded != (order.payment_id, order.total):
        raise PermanentError(
            f"orderId: {order.order_id} is recorded already with another payment or total",
            reason="conflict",
        )
    return recorded is not None
