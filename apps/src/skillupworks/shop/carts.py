"""What can be done with a cart: limits, products that are sold, prices of the moment."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter

from skillupworks.runtime.problems import ProblemError
from skillupworks.shop.cart_model import MAX_ITEMS, MAX_QUANTITY, CartAnswer
from skillupworks.shop.cart_store import Added, Cart, Merged, Shipping
from skillupworks.shop.catalogue_client import Absent, LookUp

__all__ = ["CartMetrics", "CartStore", "Carts", "Catalogue"]


class CartStore(Protocol):
    """What is needed of the store; every method may raise StoreUnavailableError."""

    def cart(self, cart_id: str) -> Cart:
        """Return a cart; one that is not there is empty."""

    def add(self, cart_id: str, sku: str, quantity: int) -> Added:
        """Add to a line, which need not be there yet, unless a limit forbids it."""

    def change(self, cart_id: str, sku: str, quantity: int) -> bool:
        """Set a line's quantity; say whether there is such a line."""

    def remove(self, cart_id: str, sku: str) -> None:
        """Remove a line if it is there."""

    def ship(self, cart_id: str, shipping: Shipping) -> None:
        """Remember where and how it is shipped."""

    def merge(self, cart_id: str, other_id: str) -> Merged:
        """Move the content of another cart into this one; the second time there is none."""

    def delete(self, cart_id: str) -> None:
        """Delete a cart if it is there."""


class Catalogue(Protocol):
    """Where products and prices come from; never raises."""

    def look_up(self, skus: Iterable[str]) -> dict[str, LookUp]:
        """Return for each sku its product, or why there is none."""


class CartMetrics:
    """What is counted of carts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.changes = Counter(
            "skillupworks_cart_changes", "Changes of carts", ["change"], registry=registry
        )
        for change in ("added", "changed", "removed", "shipped", "merged", "deleted"):
            self.changes.labels(change)


class Carts:
    """The carts of everybody. ProblemError for what a customer did wrong."""

    def __init__(self, store: CartStore, catalogue: Catalogue, metrics: CartMetrics) -> None:
        self._store = store
        self._catalogue = catalogue
        self._metrics = metrics

    def show(self, cart_id: str, notes: Sequence[str] = ()) -> CartAnswer:
        """Return a cart with the prices of this moment."""
        cart = self._store.cart(cart_id)
        return CartAnswer.of(cart_id, cart, self._catalogue.look_up(cart.quantities), notes)

    def add(self, cart_id: str, sku: str, quantity: int) -> CartAnswer:
        """Put a product into the cart, or more of it.

        While the catalogue is away it is believed that the product is sold: a customer is not sent
        away for it, the line has no price, and payment does not sell what is not sold.
        """
        if self._catalogue.look_up([sku])[sku] is Absent.UNKNOWN:
            raise _invalid("sku", f"there is no product {sku!r}")
        added = self._store.add(cart_id, sku, quantity)
        if added.limit == "lines":
            raise _invalid("sku", f"more than {MAX_ITEMS} products do not fit into a cart")
        if added.limit == "quantity":
            raise _invalid(
                "quantity",
                f"more than {MAX_QUANTITY} of {sku} do not fit into a cart,"
                f" and {added.held} are there",
            )
        self._count("added")
        return self.show(cart_id)

    def change(self, cart_id: str, sku: str, quantity: int) -> CartAnswer:
        """Set how many of a product are in the cart."""
        if not self._store.change(cart_id, sku, quantity):
            raise ProblemError(HTTPStatus.NOT_FOUND, f"There is no {sku} in the cart")
        self._count("changed")
        return self.show(cart_id)

    def remove(self, cart_id: str, sku: str) -> CartAnswer:
        """Take a product out of the cart; it is no error if it was not there."""
        self._store.remove(cart_id, sku)
        self._count("removed")
        return self.show(cart_id)

    def ship(self, cart_id: str, shipping: Shipping) -> CartAnswer:
        """Remember where and how the order is to be shipped."""
        self._store.ship(cart_id, shipping)
        self._count("shipped")
        return self.show(cart_id)

    def merge(self, cart_id: str, guest_id: str) -> CartAnswer:
        """Take a guest's cart over, once; what does not fit is named."""
        merged = self._store.merge(cart_id, guest_id)
        if merged.lines:
            self._count("merged")
        notes = [
            f"{sku}: not all of the guest's cart fits, at most {MAX_QUANTITY} of a product"
            f" and {MAX_ITEMS} products"
            for sku in merged.cut
        ]
        return self.show(cart_id, notes)

    def delete(self, cart_id: str) -> None:
        """Empty a cart."""
        self._store.delete(cart_id)
        self._count("deleted")

    def _count(self, change: str) -> None:
        self._metrics.changes.labels(change).inc()


def _invalid(field: str, message: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY, f"{field}: {message}", errors=[(field, message)]
    )
