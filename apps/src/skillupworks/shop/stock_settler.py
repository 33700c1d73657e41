"""Takes the stock of paid orders for good, and gives back that of rejected ones.

Off the path of the request, so that it costs the customer no time. What is lost with the process,
or cannot be done since the catalogue is away, the settler comes back to.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Thread
from typing import Protocol

import structlog

from skillupworks.errors import StoreUnavailableError
from skillupworks.runtime.http_client import ServiceAwayError
from skillupworks.runtime.problems import ProblemError
from skillupworks.shop.payment_attempt import Attempt, SettlerStore
from skillupworks.shop.payment_metrics import PaymentMetrics
from skillupworks.shop.payments import OrderState
from skillupworks.shop.stock_client import MAX_COMMITS, Stock, StockRefusedError

__all__ = ["StockLater", "StockSettler"]

log = structlog.get_logger()

# what does not fit is left to the settler
WAITING = 10_000
# nobody waits for it, and who asks the catalogue for ten orders at once costs it a fifth
LINGER_SECONDS = 0.2
# of the orders in a line of the journal
SHOWN = 10
STOP_SECONDS = 10.0


class StockLater(Protocol):
    """Who settles the stock of an order that is paid or rejected."""

    def later(self, attempt: Attempt) -> None:
        """Settle it soon; never waits, never raises."""


@dataclass(frozen=True)
class _Stop:
    """What the thread ends at."""


class StockSettler:
    """A thread that settles stock, woken at once by each order; thread-safe."""

    def __init__(self, stock: Stock, store: SettlerStore, metrics: PaymentMetrics) -> None:
        self._stock = stock
        self._store = store
        self._metrics = metrics
        self._waiting: Queue[Attempt | _Stop] = Queue(WAITING)
        self._thread = Thread(target=self._run, name="stock-settler", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End after what waits; what takes too long is left to the settler."""
        with suppress(Full):
            self._waiting.put(_Stop(), timeout=STOP_SECONDS)
        self._thread.join(timeout=STOP_SECONDS)

    def hung(self) -> str | None:
        """Return what is wrong if the thread has died, otherwise None."""
        return None if self._thread.is_alive() else "the stock settler has ended"

    def later(self, attempt: Attempt) -> None:
        """See StockLater."""
        try:
            self._waiting.put_nowait(attempt)
        except Full:
            log.warning(f"The stock of order {attempt.payment.order_id} is settled later")

    def drain(self) -> None:
        """Settle what waits now; raises TransientError, and then the settler comes back to it."""
        self.settle(self._waits(0))

    def settle(self, attempts: list[Attempt]) -> None:
        """Settle the stock of at most MAX_COMMITS orders, paid or rejected; may be repeated.

        Those whose turn does not come since the catalogue is away stay as they are. Raises
        StoreUnavailableError.
        """
        settled: dict[bool, list[str]] = {True: [], False: []}
        try:
            for attempt, done in self._each(attempts):
                settled[done].append(attempt.payment.payment_id)
        except ServiceAwayError as error:
            left = len(attempts) - sum(map(len, settled.values()))
            log.warning(
                f"The stock of {left} orders is settled later: {error}",
                order_ids=[attempt.payment.order_id for attempt in attempts][:SHOWN],
            )
        for done, payment_ids in settled.items():
            if payment_ids:
                self._store.stock_done(payment_ids, settled=done)

    def _each(self, attempts: list[Attempt]) -> Iterator[tuple[Attempt, bool]]:
        """Settle all; yield whether an order has what it needs, or nothing if it needs nothing."""
        paid = {
            attempt.payment.order_id: attempt
            for attempt in attempts
            if attempt.payment.state is OrderState.PAID
        }
        refused = self._stock.commit(list(paid)) if paid else {}
        for order_id, attempt in paid.items():
            if order_id not in refused:
                yield attempt, True
        for order_id in refused:
            yield paid[order_id], self._commit_again(paid[order_id])
        for attempt in attempts:
            if attempt.payment.order_id not in paid:
                self._release(attempt.payment.order_id)
                yield attempt, True

    def _commit_again(self, attempt: Attempt) -> bool:
        """Reserve for a paid order what it no longer holds, and return whether that went well."""
        order_id = attempt.payment.order_id
        try:
            self._stock.reserve(order_id, attempt.items)
            why = self._stock.commit([order_id]).get(order_id)
        except (StockRefusedError, ProblemError) as error:
            why = str(error)
        if why is None:
            return True
        self._metrics.without_stock.inc()
        log.error(
            f"Order {order_id} is paid, and there is no stock for it: {why}",
            order_id=order_id,
            outcome="without-stock",
        )
        return False

    def _release(self, order_id: str) -> None:
        try:
            self._stock.release(order_id)
        except StockRefusedError as error:
            log.error(f"Order {order_id} is rejected, and {error}", order_id=order_id)

    def _waits(self, seconds: float) -> list[Attempt]:
        """Return what waits and what comes within a time, or a batch of it."""
        batch: list[Attempt] = []
        end = time.monotonic() + seconds
        with suppress(Empty):
            while len(batch) < MAX_COMMITS - 1:
                left = end - time.monotonic()
                waiting = self._waiting.get(block=left > 0, timeout=max(left, 0))
                if isinstance(waiting, _Stop):
                    self._waiting.put(waiting)
                    break
                batch.append(waiting)
        return batch

    def _run(self) -> None:
        while True:
            first = self._waiting.get()
            if isinstance(first, _Stop):
                return
            try:
                self.settle([first, *self._waits(LINGER_SECONDS)])
            except StoreUnavailableError as error:
                log.warning(f"Stock is settled later: {error}")
            except Exception:
                log.exception("Stock is settled later")
