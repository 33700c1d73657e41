"""Stand-ins for what the catalogue works with: products and reservations in memory, and a clock."""

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import TypeVar

from skillupworks.errors import StoreUnavailableError
from skillupworks.shop.catalogue_search import Query, search_text, sort_key
from skillupworks.shop.catalogue_store import Category, Page, Product
from skillupworks.shop.reservation_model import Hold, Reservation, State

Result = TypeVar("Result")


def product(sku: str, name: str, *, category: str = "systems", stock: int = 5) -> Product:
    """Return a product of ₹799.50."""
    return Product(
        sku=sku,
        name=name,
        category=category,
        summary=f"What there is to know about {name}.",
        price=79_950,
        weight_grams=300,
        level="beginner",
        hours=12,
        picture=f"{sku}.svg",
        tags=("ops",),
        stock=stock,
        description="One.\n\nTwo.",
    )


class MemoryProducts:
    """A ProductStore in memory; `problem` is why it does not answer."""

    def __init__(self, *products: Product) -> None:
        self.products = {each.sku: each for each in products}
        self.problem: str | None = None
        self.queries: list[Query] = []

    def page(self, query: Query) -> Page:
        self._answer()
        self.queries.append(query)
        keys = {
            sort_key(each.name, each.sku): each
            for each in self.products.values()
            if query.category in {"", each.category}
            if all(
                word in search_text(each.name, each.summary, list(each.tags))
                for word in query.words
            )
        }
        there = [key for key in sorted(keys) if key > query.after]
        shown = there[: query.limit]
        last = shown[-1] if len(there) > len(shown) else None
        return Page(tuple(keys[key] for key in shown), last)

    def product(self, sku: str) -> Product | None:
        self._answer()
        return self.products.get(sku)

    def named(self, skus: Collection[str]) -> dict[str, Product]:
        self._answer()
        return {sku: self.products[sku] for sku in skus if sku in self.products}

    def categories(self) -> list[Category]:
        self._answer()
        return [Category("systems", "Linux and Systems"), Category("data", "Data")]

    def check(self) -> str | None:
        return self.problem

    def _answer(self) -> None:
        if self.problem:
            raise StoreUnavailableError(self.problem)


class MemoryReservations:
    """A ReservationStore in memory, each of whose steps is one, as the real one's are.

    `on_step` is called with the number of each step and when it is: before it, or after it, which
    is where a process may end or the answer be lost.
    """

    def __init__(self, **stock: int) -> None:
        self.stocks = dict(stock)
        self.holds: dict[tuple[str, str], tuple[Hold, int]] = {}
        self.reservations: dict[str, Reservation] = {}
        self.changed: dict[str, int] = {}
        self.sold: dict[str, int] = dict.fromkeys(stock, 0)
        self.on_step: Callable[[int, str], None] = lambda _step, _when: None
        self.steps = 0
        self._lock = Lock()

    def in_all(self, sku: str) -> int:
        """Return how many pieces there are: on stock, held and sold."""
        held = sum(hold.quantity for hold, _ in self.holds.values() if hold.sku == sku)
        return self.stocks[sku] + held + self.sold[sku]

    def find(self, order_id: str) -> Reservation | None:
        return self._step(lambda: self.reservations.get(order_id))

    def find_all(self, order_ids: Collection[str]) -> list[Reservation]:
        return self._step(
            lambda: [self.reservations[each] for each in order_ids if each in self.reservations]
        )

    def begin(self, reservation: Reservation, now: int) -> bool:
        def step() -> bool:
            if reservation.order_id in self.reservations:
                return False
            self._write(reservation, now)
            return True

        return self._step(step)

    def replace(self, found: Reservation, by: Reservation, now: int) -> bool:
        def step() -> bool:
            there = self.reservations.get(found.order_id)
            if there is None or (there.token, there.state) != (found.token, found.state):
                return False
            self._write(by, now)
            return True

        return self._step(step)

    def commit(self, order_ids: Collection[str], now: int) -> int:
        def step(order_id: str) -> bool:
            found = self.reservations.get(order_id)
            if found is None or found.state is not State.HELD:
                return False
            self._write(replace(found, state=State.COMMITTED), now)
            return True

        # each is a step of its own, as in the database
        return sum(self._step(partial(step, each)) for each in order_ids)

    def take(self, sku: str, hold: Hold, until: int) -> bool:
        def step() -> bool:
            if self.stocks.get(sku, 0) < hold.quantity:
                return False
            assert (sku, hold.token) not in self.holds
            self.stocks[sku] -= hold.quantity
            self.holds[sku, hold.token] = (hold, until)
            return True

        return self._step(step)

    def give_back(self, sku: str, token: str, quantity: int) -> bool:
        def step() -> bool:
            if self.holds.pop((sku, token), None) is None:
                return False
            self.stocks[sku] += quantity
            return True

        return self._step(step)

    def settle(self, sku: str, token: str) -> bool:
        def step() -> bool:
            found = self.holds.pop((sku, token), None)
            if found is None:
                return False
            self.sold[sku] += found[0].quantity
            return True

        return self._step(step)

    def settle_all(self, sku: str, tokens: Collection[str]) -> None:
        def step() -> None:
            for token in tokens:
                if found := self.holds.pop((sku, token), None):
                    self.sold[sku] += found[0].quantity

        self._step(step)

    def stock(self, sku: str) -> int | None:
        return self._step(lambda: self.stocks.get(sku))

    def overdue(self, now: int, limit: int) -> list[Reservation]:
        open_ones = {State.PENDING, State.HELD}
        return self._step(
            lambda: [
                each
                for each in self.reservations.values()
                if each.state in open_ones and each.expires_at <= now
            ][:limit]
        )

    def old_holds(self, now: int) -> list[Hold]:
        return self._step(lambda: [hold for hold, until in self.holds.values() if until <= now])

    def forget(self, before: int) -> int:
        def step() -> int:
            ended = [
                order_id
                for order_id, each in self.reservations.items()
                if each.state not in {State.PENDING, State.HELD} and self.changed[order_id] < before
            ]
            for order_id in ended:
                del self.reservations[order_id]
            return len(ended)

        return self._step(step)

    def _write(self, reservation: Reservation, now: int) -> None:
        self.reservations[reservation.order_id] = reservation
        self.changed[reservation.order_id] = now

    def _step(self, step: Callable[[], Result]) -> Result:
        with self._lock:
            self.steps += 1
            number = self.steps
        self.on_step(number, "before")
        with self._lock:
            result = step()
        self.on_step(number, "after")
        return result


class Clock:
    """A clock that stands until somebody sleeps or sets it; sleeping may be watched."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.on_sleep: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_sleep()
