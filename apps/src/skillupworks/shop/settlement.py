"""What follows from what the gateway says of a charge, whoever was told: once, and for good."""

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

import structlog

from skillupworks.errors import StoreUnavailableError
from skillupworks.runtime import trace
from skillupworks.shop.gateway import CANCELLED, Captured, Declined, Outcome, Pending
from skillupworks.shop.payment_attempt import ABANDONED, Attempt, PaymentStore
from skillupworks.shop.payment_message import order_message
from skillupworks.shop.payment_metrics import PaymentMetrics
from skillupworks.shop.payments import OrderState
from skillupworks.shop.stock_settler import StockLater

__all__ = ["Settlement"]

log = structlog.get_logger()


class Settlement:
    """Writes outcomes; thread-safe. `published` is called after each order that is paid.

    The request, the webhook and the settler may come with an outcome at the same time, and again:
    a row changes from accepted to paid or rejected once, and who comes second finds it so.
    """

    def __init__(
        self,
        store: PaymentStore,
        stock: StockLater,
        published: Callable[[], None],
        metrics: PaymentMetrics,
    ) -> None:
        self._store = store
        self._stock = stock
        self._published = published
        self._metrics = metrics

    def apply(self, attempt: Attempt, outcome: Outcome) -> Attempt:
        """Do what follows for a payment that was about to be charged; return how it is now.

        May raise StoreUnavailableError: then it may be repeated, or the settler comes to it.
        """
        match outcome:
            case Captured():
                return self._captured(attempt)
            case Declined(reason):
                return self._declined(attempt, reason)
            case Pending():
                self._store.wait(attempt.payment.payment_id)
                self._metrics.count("pending")
                return attempt
            case _:
                assert_never(outcome)

    def _captured(self, attempt: Attempt) -> Attempt:
        payment = replace(attempt.payment, state=OrderState.PAID)
        # one that an earlier release began has no trace of its own
        traceparent = attempt.traceparent or trace.current()
        if not self._store.paid(payment, order_message(payment, traceparent)):
            now = self._now(attempt)
            if now.payment.state is OrderState.REJECTED:
                log.error(
                    f"Payment {payment.payment_id} is charged, and its order is rejected",
                    order_id=payment.order_id,
                    payment_id=payment.payment_id,
                )
            return now
        self._published()
        self._metrics.count("paid")
        paid = replace(attempt, payment=payment)
        self._stock.later(paid)
        return paid

    def _declined(self, attempt: Attempt, why: str) -> Attempt:
        reason = ABANDONED if why == CANCELLED else why
        if not self._store.declined(attempt.payment.payment_id, reason):
            return self._now(attempt)
        self._metrics.count(ABANDONED if why == CANCELLED else "declined")
        payment = replace(attempt.payment, state=OrderState.REJECTED, reason=reason)
        rejected = replace(attempt, payment=payment)
        self._stock.later(rejected)
        return rejected

    def _now(self, attempt: Attempt) -> Attempt:
        found = self._store.attempt(attempt.payment.payment_id)
        if found is None:
            raise StoreUnavailableError(f"payment {attempt.payment.payment_id} is not there")
        return found
