"""A payment gateway for trying things out: the card's number says what happens.

Its charges are in a table of its own, written in transactions of its own, as those of an outside
system would be. A pending charge is captured after a while, when the webhook is called; if nobody
was there to call it, whoever asks for the charge is told.
"""

import time
from collections.abc import Callable
from threading import Timer

from skillupworks.errors import StoreUnavailableError
from skillupworks.runtime.database import Database, IntegrityError, is_duplicate_key
from skillupworks.shop.gateway import (
    CANCELLED,
    CARD_DECLINED,
    Captured,
    Card,
    Declined,
    GatewayTimeoutError,
    Outcome,
    Pending,
)

__all__ = ["DECLINED_CARD", "PENDING_CARD", "TIMEOUT_CARD", "SimulatedGateway"]

DECLINED_CARD = "4000000000000002"
TIMEOUT_CARD = "4000000000000119"
PENDING_CARD = "4000000000003220"

INSERT = (
    "INSERT INTO simulated_charges (payment_id, amount_minor, state, created_at)"
    " VALUES (%s, %s, %s, UTC_TIMESTAMP(6))"
)
# what is pending is captured when its time has come
SELECT = (
    "SELECT IF(state = 'pending' AND created_at <= UTC_TIMESTAMP(6) - INTERVAL %s SECOND,"
    " 'captured', state) FROM simulated_charges WHERE payment_id = %s"
)

OUTCOMES: dict[str, Outcome] = {
    "captured": Captured(),
    "declined": Declined(CARD_DECLINED),
    "cancelled": Declined(CANCELLED),
    "pending": Pending(),
}


class SimulatedGateway:
    """A Gateway; thread-safe. `notify` is called with what became of a pending payment."""

    def __init__(
        self,
        database: Database,
        notify: Callable[[str, Outcome], None],
        *,
        timeout_seconds: float,
        webhook_seconds: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._database = database
        self._notify = notify
        self._timeout_seconds = timeout_seconds
        self._webhook_seconds = webhook_seconds
        self._sleep = sleep

    def charge(self, payment_id: str, amount: int, card: Card) -> Outcome:
        """See Gateway."""
        state = {DECLINED_CARD: "declined", PENDING_CARD: "pending"}.get(card.number, "captured")
        if not self._add(payment_id, amount, state):
            return self.find(payment_id) or Declined(CANCELLED)
        if card.number == TIMEOUT_CARD:
            self._sleep(self._timeout_seconds)
            raise GatewayTimeoutError("The payment gateway does not answer")
        if card.number == PENDING_CARD:
            timer = Timer(self._webhook_seconds, self._notify, (payment_id, Captured()))
            timer.daemon = True
            timer.start()
        return OUTCOMES[state]

    def find(self, payment_id: str) -> Outcome | None:
        """See Gateway."""
        try:
            with self._database.transaction() as cursor:
                cursor.execute(SELECT, (self._webhook_seconds, payment_id))
                row = cursor.fetchone()
        except StoreUnavailableError as error:
            raise GatewayTimeoutError(f"The payment gateway does not answer: {error}") from error
        return None if row is None else OUTCOMES[row[0]]

    def cancel(self, payment_id: str) -> Outcome:
        """See Gateway."""
        if self._add(payment_id, 0, "cancelled"):
            return Declined(CANCELLED)
        return self.find(payment_id) or Declined(CANCELLED)

    def _add(self, payment_id: str, amount: int, state: str) -> bool:
        """Write a charge; False when there is one."""
        try:
            with self._database.transaction() as cursor:
                cursor.execute(INSERT, (payment_id, amount, state))
        except IntegrityError as error:
            if not is_duplicate_key(error):
                raise
            return False
        except StoreUnavailableError as error:
            raise GatewayTimeoutError(f"The payment gateway does not answer: {error}") from error
        return True
