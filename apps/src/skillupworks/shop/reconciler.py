"""Looks after orders that were paid and handed to the broker, and then not processed.

An operator can delete a queue with messages in it, and then nothing else knows of them. Publishing
an order again is safe: its message has the same id as before, and is processed once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Event, Thread
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter

from skillupworks.errors import TransientError

__all__ = ["Reconciler", "ReconcilerMetrics", "Suspect", "SuspectStore", "Verdict"]

log = structlog.get_logger()

# orders of one transaction
BATCH = 500
MAX_REPUBLISHED = 5
# each time waits so many times longer than the one before
GROWTH = 3
# a round begins after a tenth of the time that an order is given, but at least this often
ROUND_SECONDS = 30.0


@dataclass(frozen=True)
class Suspect:
    """A paid order whose time has come; `settled` when it is processed."""

    order_id: str
    settled: bool
    waiting: bool
    republished: int


@dataclass(frozen=True)
class Verdict:
    """What becomes of a suspect; `again_after` None: it is not looked at any more."""

    republish: bool
    again_after: float | None


class SuspectStore(Protocol):
    """Where the paid orders are."""

    def review(self, limit: int, judge: Callable[[Suspect], Verdict]) -> int:
        """Judge up to `limit` orders whose time has come, and do as judged, in one transaction.

        Returns how many there were. May raise StoreUnavailableError: nothing is done then, or it
        is not known.
        """


class ReconcilerMetrics:
    """What a reconciler counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.republished = Counter(
            "skillupworks_orders_republished",
            "Orders published again since they were not processed in time",
            registry=registry,
        )
        self.given_up = Counter(
            "skillupworks_orders_given_up",
            f"Orders not processed after {MAX_REPUBLISHED} times",
            registry=registry,
        )


class Reconciler:
    """A thread that publishes an order again which is neither processed nor in the outbox.

    `after` seconds after it was paid, then at growing distances, at most MAX_REPUBLISHED times.
    Does nothing while `full` says that the outbox takes no more; calls `published` for each order.
    """

    def __init__(
        self,
        store: SuspectStore,
        published: Callable[[], None],
        full: Callable[[], bool],
        metrics: ReconcilerMetrics,
        *,
        after: float,
    ) -> None:
        self._store = store
        self._published = published
        self._full = full
        self._metrics = metrics
        self._after = after
        self._stopping = Event()
        self._problem: str | None = None
        self._thread = Thread(target=self._run, name="reconciler", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the transaction in hand and end."""
        self._stopping.set()
        self._thread.join(timeout=10)

    def hung(self) -> str | None:
        """Return what is wrong if the thread has died, otherwise None."""
        return None if self._thread.is_alive() else "the reconciler has ended"

    def round(self) -> None:
        """Look at all orders whose time has come; raises TransientError."""
        while not (self._stopping.is_set() or self._full()):
            lost: list[Suspect] = []
            count = self._store.review(BATCH, partial(self._judge, lost))
            for suspect in lost:
                self._report(suspect)
            if count < BATCH:
                return

    def _run(self) -> None:
        while not self._stopping.wait(min(ROUND_SECONDS, self._after / 10)):
            try:
                self.round()
            except TransientError as error:
                if str(error) != self._problem:
                    self._problem = str(error)
                    log.error(f"Error: {error}; paid orders are looked after again later")
            else:
                self._problem = None

    def _judge(self, lost: list[Suspect], suspect: Suspect) -> Verdict:
        if suspect.settled:
            return Verdict(republish=False, again_after=None)
        if suspect.waiting:
            return Verdict(republish=False, again_after=self._after)
        lost.append(suspect)
        if suspect.republished >= MAX_REPUBLISHED:
            return Verdict(republish=False, again_after=None)
        return Verdict(
            republish=True, again_after=self._after * GROWTH ** (suspect.republished + 1)
        )

    def _report(self, suspect: Suspect) -> None:
        order_id = suspect.order_id
        facts = {"order_id": order_id, "message_id": order_id, "attempt": suspect.republished}
        if suspect.republished >= MAX_REPUBLISHED:
            self._metrics.given_up.inc()
            log.error(
                f"Order {order_id} is paid and not processed, though it was published again"
                f" {MAX_REPUBLISHED} times; it is given up",
                **facts,
                outcome="given-up",
            )
            return
        self._metrics.republished.inc()
        self._published()
        log.warning(
            f"Order {order_id} is paid, not processed, and no longer in the outbox; it is"
            " published again",
            **facts,
            outcome="republished",
        )
