"""What a reservation is, and what is needed of the place where reservations and stock are kept."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

__all__ = ["Hold", "Reservation", "ReservationStore", "ShortageError", "State"]


class State(StrEnum):
    """How far a reservation is."""

    PENDING = "pending"  # it is being taken, product by product
    HELD = "held"  # all of it is taken
    COMMITTED = "committed"  # it is sold, for good
    RELEASED = "released"  # it was given back, for good
    REFUSED = "refused"  # there was not enough; it may be tried again
    EXPIRED = "expired"  # nobody committed it in time; it may be tried again


@dataclass(frozen=True, slots=True)
class Reservation:
    """What somebody wants to buy; `lines` are quantities by sku, in the order of the skus."""

    order_id: str
    token: str
    state: State
    lines: Mapping[str, int]
    expires_at: int


@dataclass(frozen=True, slots=True)
class Hold:
    """What a product says of a reservation's attempt."""

    sku: str
    token: str
    order_id: str
    quantity: int


class ShortageError(Exception):
    """There are not so many of a product; `left` is None when it is not sold at all."""

    def __init__(self, sku: str, wanted: int, left: int | None) -> None:
        super().__init__(f"{wanted} of {sku} are not to be had, {left or 0} are left")
        self.sku = sku
        self.left = left


class ReservationStore(Protocol):
    """What is needed of the store; every method may raise StoreUnavailableError."""

    def find(self, order_id: str) -> Reservation | None:
        """Return a reservation, or None."""

    def find_all(self, order_ids: Collection[str]) -> list[Reservation]:
        """Return those of several orders that there are."""

    def begin(self, reservation: Reservation, now: int) -> bool:
        """Write a new reservation; False when there is one of this order."""

    def replace(self, found: Reservation, by: Reservation, now: int) -> bool:
        """Write another attempt or state; False when it is no longer as it was found."""

    def commit(self, order_ids: Collection[str], now: int) -> int:
        """Write of several orders that they are sold, where they are held; return how many were.

        Each by itself: an error leaves some done and others not.
        """

    def take(self, sku: str, hold: Hold, until: int) -> bool:
        """Hold some of a product; False when there are not so many, or it is not sold."""

    def give_back(self, sku: str, token: str, quantity: int) -> bool:
        """Return what an attempt holds of a product, if it does."""

    def settle(self, sku: str, token: str) -> bool:
        """Forget that an attempt holds some of a product: it is sold."""

    def settle_all(self, sku: str, tokens: Collection[str]) -> None:
        """Forget that attempts hold some of a product, as far as they do: it is sold."""

    def stock(self, sku: str) -> int | None:
        """Return how many of a product can be reserved; None when it is not sold."""

    def overdue(self, now: int, limit: int) -> list[Reservation]:
        """Return some of the reservations whose time is over."""

    def old_holds(self, now: int) -> list[Hold]:
        """Return the holds that should be gone by now."""

    def forget(self, before: int) -> int:
        """Delete the reservations that ended before a time; return how many it were."""
