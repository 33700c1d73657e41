"""A payment on its way: what is kept of it between its steps, and what is needed of the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from skillupworks.messaging.message import Outgoing
from skillupworks.shop.payments import OrderState, Payment

__all__ = [
    "ABANDONED",
    "Attempt",
    "OrderProgress",
    "OrderStore",
    "PaymentStore",
    "Place",
    "SettlerStore",
]

# why an order was rejected when nobody came to finish it before it was charged
ABANDONED = "abandoned"


# where an order stands in its owner's list: by its time, and by the payment's id
Place = tuple[datetime, str]


@dataclass(frozen=True)
class Attempt:
    """A payment, and how far it is.

    `items` are quantities by sku. Once it is `charging` its lines and total are fixed. One at a
    time works on it: who has `lease`, while it is `leased`. `traceparent` is the trace context of
    the request that began it: its order's, whoever settles it.
    """

    payment: Payment
    request_hash: str
    items: Mapping[str, int]
    last4: str
    lease: str
    charging: bool = False
    leased: bool = True
    traceparent: str | None = None


@dataclass(frozen=True)
class OrderProgress:
    """An order's payment, and how far its processing is."""

    payment: Payment
    state: OrderState
    processed_at: datetime | None


class PaymentStore(Protocol):
    """Where payments are kept. Every method may raise StoreUnavailableError.

    What changes a row does so only in the state that is named, and says whether it did.
    """

    def begin(self, key: str, attempt: Attempt) -> bool:
        """Write a new payment, leased; False when the key or an id is taken."""

    def by_key(self, key: str) -> Attempt | None:
        """Return the payment of an idempotency key."""

    def attempt(self, payment_id: str) -> Attempt | None:
        """Return a payment by its id."""

    def take_up(self, attempt: Attempt) -> bool:
        """Lease an accepted payment, as far as it was found to be, that nobody works on."""

    def free(self, attempt: Attempt) -> None:
        """End a lease, so that the next request can take the payment up."""

    def discard(self, attempt: Attempt) -> None:
        """Forget a payment that was never charged, if the lease still holds."""

    def charging(self, attempt: Attempt) -> bool:
        """Fix lines and total and be about to charge, if the lease still holds."""

    def paid(self, payment: Payment, message: Outgoing) -> bool:
        """Note that a charge was captured, and leave the message, both or none."""

    def declined(self, payment_id: str, reason: str) -> bool:
        """Reject a payment that was about to be charged."""

    def wait(self, payment_id: str) -> None:
        """End the lease of a charge with no outcome yet, and have it looked at again soon."""

    def check(self) -> str | None:
        """Return None when the store answers, otherwise what is wrong."""


class OrderStore(Protocol):
    """What can be seen of orders. Every method may raise StoreUnavailableError."""

    def order(self, order_id: str) -> OrderProgress | None:
        """Return an order's progress."""

    def orders(self, owner: str, limit: int, before: Place | None) -> list[OrderProgress]:
        """Return an owner's orders, newest first, from behind a place on."""


class SettlerStore(Protocol):
    """What the settler needs of the store. Every method may raise StoreUnavailableError."""

    def free_left(self) -> int:
        """End the leases that processes before this one have left; return how many it were."""

    def free(self, attempt: Attempt) -> None:
        """End a lease, so that the next request can take the payment up."""

    def due(self, limit: int) -> list[Attempt]:
        """Return, and lease for a while, payments that somebody has to look after.

        Those that are leased already are passed over, and come again when that has ended.
        """

    def abandon(self, payment_id: str) -> bool:
        """Reject a payment that was never about to be charged."""

    def wait(self, payment_id: str) -> None:
        """End the lease of a charge with no outcome yet, and have it looked at again soon."""

    def stock_done(self, payment_ids: Sequence[str], *, settled: bool) -> None:
        """Note that there is nothing more to do about the stock of payments."""
