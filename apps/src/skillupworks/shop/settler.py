"""The thread that finishes payments which nobody else does: crashed, timed out, or waiting."""

import random
from dataclasses import replace
from threading import Event, Thread

import structlog

from skillupworks.errors import TransientError
from skillupworks.runtime import trace
from skillupworks.shop.gateway import Gateway, GatewayTimeoutError, Pending
from skillupworks.shop.leases import Leases
from skillupworks.shop.payment_attempt import ABANDONED, Attempt, SettlerStore
from skillupworks.shop.payment_metrics import PaymentMetrics
from skillupworks.shop.payments import OrderState
from skillupworks.shop.settlement import Settlement
from skillupworks.shop.stock_settler import StockSettler

__all__ = ["Settler"]

log = structlog.get_logger()

ROUND_SECONDS = 1.0
# of one transaction, so that all are worked on while they are leased
BATCH = 20
STOP_SECONDS = 10.0


class Settler:
    """Looks after payments whose time has come; several instances may do so at the same time.

    What was never about to be charged is rejected. What was is what the gateway says, and if the
    gateway knows nothing of it, the charge is cancelled first, so that it cannot arrive later.
    """

    def __init__(  # noqa: PLR0913 - it touches all that a payment touches
        self,
        store: SettlerStore,
        gateway: Gateway,
        settlement: Settlement,
        stock_settler: StockSettler,
        *,
        leases: Leases,
        metrics: PaymentMetrics,
    ) -> None:
        self._store = store
        self._gateway = gateway
        self._settlement = settlement
        self._stock_settler = stock_settler
        self._leases = leases
        self._metrics = metrics
        self._problem: str | None = None
        self._has_freed = False
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="settler", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End after the payment in hand."""
        self._stopping.set()
        self._thread.join(timeout=STOP_SECONDS)

    def hung(self) -> str | None:
        """Return what is wrong if the thread has died, otherwise None."""
        return None if self._thread.is_alive() else "the settler has ended"

    def problem(self) -> str | None:
        """Return why payments are not looked after at the moment, or None."""
        return self._problem

    def round(self) -> None:
        """Look after all payments whose time has come; raises TransientError.

        First of all after those that the process before this one had in hand when it was killed,
        and those that this one had in hand when the database went away.
        """
        if not self._has_freed:
            if freed := self._store.free_left():
                log.info(f"{freed} payments were left by the process before")
            self._has_freed = True
        self._leases.end_left(self._store.free)
        while not self._stopping.is_set():
            due = self._store.due(BATCH)
            for attempt in due:
                if self._stopping.is_set():
                    return
                with trace.traced(trace.accept(attempt.traceparent)):
                    self._look_after(attempt)
            if len(due) < BATCH:
                return

    def _look_after(self, attempt: Attempt) -> None:
        payment = attempt.payment
        if payment.state is not OrderState.ACCEPTED:
            self._stock_settler.settle([attempt])
        elif attempt.charging:
            self._ask(attempt)
        elif self._store.abandon(payment.payment_id):
            self._metrics.count(ABANDONED)
            log.warning(
                f"Order {payment.order_id} was given up before it was charged",
                order_id=payment.order_id,
                outcome=ABANDONED,
            )
            rejected = replace(payment, state=OrderState.REJECTED, reason=ABANDONED)
            self._stock_settler.settle([replace(attempt, payment=rejected)])

    def _ask(self, attempt: Attempt) -> None:
        payment = attempt.payment
        try:
            outcome = self._gateway.find(payment.payment_id) or self._gateway.cancel(
                payment.payment_id
            )
        except GatewayTimeoutError as error:
            log.warning(f"Payment {payment.payment_id} is looked after later: {error}")
            return
        if outcome == Pending():
            self._store.wait(payment.payment_id)
            return
        now = self._settlement.apply(attempt, outcome).payment
        if now.state is not OrderState.ACCEPTED:
            log.info(
                f"Order {payment.order_id} is settled: {now.state}",
                order_id=payment.order_id,
                payment_id=payment.payment_id,
                outcome=now.reason or str(now.state),
            )

    def _run(self) -> None:
        # instances that were started together do not look together
        while not self._stopping.wait(ROUND_SECONDS * random.uniform(0.5, 1.5)):  # noqa: S311
            try:
                self.round()
            except TransientError as error:
                if str(error) != self._problem:
                    self._problem = str(error)
                    log.error(f"Error: {error}; payments are looked after again later")
            except Exception:
                log.exception("Payments were not looked after")
            else:
                self._problem = None
