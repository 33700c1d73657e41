"""What the order processor does with an order; knows neither broker nor database."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

import structlog

from skillupworks.messaging.message import Outcome
from skillupworks.shop.order import Order
from skillupworks.shop.order_lines import duplicate_line, processed_lines, received_lines

__all__ = ["OrderUnit", "handle_order"]

log = structlog.get_logger()


class OrderUnit(Protocol):
    """The unit of work of one order message: everything in it is committed, or nothing is."""

    def first_time(self) -> bool:
        """Write the inbox row; False when the message has been processed before."""

    def add_order(self, order: Order) -> bool:
        """Record the order; False when exactly this order is recorded already.

        Raises PermanentError when another order is recorded under the same id.
        """

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run `action` once the unit is committed, and not at all if it is not."""

    def elapsed_ms(self) -> float:
        """Return the milliseconds since this attempt began."""


def handle_order(order: Order, unit: OrderUnit) -> Outcome:
    """Record an order that is new and say so; idempotent by message id and by order id.

    The lines of the result are said after the commit only, so that nobody reads "processed"
    about an order that a crash then rolls back.
    """
    with structlog.contextvars.bound_contextvars(order_id=order.order_id):
        if not unit.first_time():
            return _duplicate(order, unit)
        for line in received_lines(order):
            log.info(line)
        if not unit.add_order(order):
            return _duplicate(order, unit)
    unit.after_commit(partial(_say_processed, order, unit))
    return Outcome.PROCESSED


def _duplicate(order: Order, unit: OrderUnit) -> Outcome:
    unit.after_commit(
        lambda: log.info(
            duplicate_line(order),
            order_id=order.order_id,
            outcome=str(Outcome.DUPLICATE),
            duration_ms=unit.elapsed_ms(),
        )
    )
    return Outcome.DUPLICATE


def _say_processed(order: Order, unit: OrderUnit) -> None:
    with structlog.contextvars.bound_contextvars(order_id=order.order_id):
        result, *notices = processed_lines()
        log.info(result, outcome=str(Outcome.PROCESSED), duration_ms=unit.elapsed_ms())
        for line in notices:
            log.info(line)
