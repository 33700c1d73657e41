"""What charges a card: a payment gateway, an outside system that can be slow, silent or late."""

from dataclasses import dataclass
from typing import Protocol

from skillupworks.errors import TransientError

__all__ = [
    "CANCELLED",
    "CARD_DECLINED",
    "Captured",
    "Card",
    "Declined",
    "Gateway",
    "GatewayTimeoutError",
    "Outcome",
    "Pending",
]

CARD_DECLINED = "card_declined"
# the charge was cancelled before it arrived
CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Captured:
    """The customer has paid."""


@dataclass(frozen=True, slots=True)
class Declined:
    """The customer has not paid, and will not by this charge."""

    reason: str = CARD_DECLINED


@dataclass(frozen=True, slots=True)
class Pending:
    """The bank decides later; the gateway then calls the webhook."""


Outcome = Captured | Declined | Pending


@dataclass(frozen=True, slots=True, repr=False)
class Card:
    """A card, its number in digits only. It is never stored, shown or logged."""

    number: str
    expiry: str | None = None
    cvc: str | None = None


class GatewayTimeoutError(TransientError):
    """The gateway does not answer: it has done what was asked, or will, or not."""


class Gateway(Protocol):
    """A payment gateway; thread-safe. Every method may raise GatewayTimeoutError."""

    def charge(self, payment_id: str, amount: int, card: Card) -> Outcome:
        """Charge an amount in paise; the same payment again has the outcome of the first time."""

    def find(self, payment_id: str) -> Outcome | None:
        """Return what became of a charge; None when none has arrived."""

    def cancel(self, payment_id: str) -> Outcome:
        """See to it that no charge of a payment is taken any more; return what it is now.

        Declined(CANCELLED) if none had arrived, otherwise what became of it.
        """
