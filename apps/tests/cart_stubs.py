"""Stand-ins for what the cart works with: carts, sessions and a catalogue in memory."""

from collections.abc import Iterable

from skillupworks.errors import StoreUnavailableError
from skillupworks.shop.cart_store import Added, Cart, Merged, Shipping
from skillupworks.shop.catalogue_client import Absent, LookUp, Product
from skillupworks.shop.sessions import Session

LINUX = Product("Linux", "Linux Administration", 199_900)
GIT = Product("Git", "Git and Code Review", 79_950)


class MemoryCarts:
    """A CartStore in memory; `problem` is why it does not answer, `limit` what an add breaks."""

    def __init__(self) -> None:
        self.carts: dict[str, dict[str, int]] = {}
        self.shipping: dict[str, Shipping] = {}
        self.problem: str | None = None
        self.limit = ""
        self.cut: tuple[str, ...] = ()

    def cart(self, cart_id: str) -> Cart:
        self._answer()
        return Cart(dict(self.carts.get(cart_id, {})), self.shipping.get(cart_id))

    def add(self, cart_id: str, sku: str, quantity: int) -> Added:
        self._answer()
        lines = self.carts.setdefault(cart_id, {})
        held = lines.get(sku, 0)
        if not self.limit:
            lines[sku] = held + quantity
        return Added(self.limit, held)

    def change(self, cart_id: str, sku: str, quantity: int) -> bool:
        self._answer()
        there = sku in self.carts.get(cart_id, {})
        if there:
            self.carts[cart_id][sku] = quantity
        return there

    def remove(self, cart_id: str, sku: str) -> None:
        self._answer()
        self.carts.get(cart_id, {}).pop(sku, None)

    def ship(self, cart_id: str, shipping: Shipping) -> None:
        self._answer()
        self.shipping[cart_id] = shipping

    def merge(self, cart_id: str, other_id: str) -> Merged:
        self._answer()
        other = self.carts.pop(other_id, {})
        for sku, quantity in other.items():
            self.add(cart_id, sku, quantity)
        return Merged(len(other), self.cut)

    def delete(self, cart_id: str) -> None:
        self._answer()
        self.carts.pop(cart_id, None)

    def check(self) -> str | None:
        return self.problem

    def _answer(self) -> None:
        if self.problem:
            raise StoreUnavailableError(self.problem)


class MemorySessions:
    """A SessionStore in memory: a token is `token-` and the owner; guests are called so."""

    def __init__(self) -> None:
        self.owners = {"alice", "bob", "guest-1"}
        self.problem: str | None = None

    def find(self, token: str) -> Session | None:
        if self.problem:
            raise StoreUnavailableError(self.problem)
        owner = token.removeprefix("token-")
        known = token.startswith("token-") and owner in self.owners
        return Session(owner, guest=owner.startswith("guest")) if known else None


class MemoryCatalogue:
    """A Catalogue that sells two products; `away` makes it unavailable."""

    def __init__(self) -> None:
        self.products = {product.sku: product for product in (LINUX, GIT)}
        self.away = False

    def look_up(self, skus: Iterable[str]) -> dict[str, LookUp]:
        if self.away:
            return dict.fromkeys(skus, Absent.AWAY)
        return {sku: self.products.get(sku, Absent.UNKNOWN) for sku in skus}

    def check(self) -> str | None:
        return "catalogue: away" if self.away else None
