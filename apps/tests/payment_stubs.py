"""Stand-ins for what payment works with: payments, stock, quotes and a gateway in memory.

Each of their steps is one, as the real ones' are: `World.on_step` is called with its number before
and after it, which is where a process may end or an answer be lost.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from threading import RLock
from typing import TypeVar

from skillupworks.errors import StoreUnavailableError
from skillupworks.messaging.message import Outgoing
from skillupworks.runtime.http_client import ServiceAwayError
from skillupworks.runtime.problems import ProblemError
from skillupworks.shop.checkout_steps import refused
from skillupworks.shop.gateway import (
    CANCELLED,
    Captured,
    Card,
    Declined,
    GatewayTimeoutError,
    Outcome,
    Pending,
)
from skillupworks.shop.leases import Leases
from skillupworks.shop.payment_attempt import Attempt, OrderProgress, Place
from skillupworks.shop.payments import OrderState, Payment
from skillupworks.shop.shipping_client import Quoted
from skillupworks.shop.stock_client import Reserved, StockRefusedError

Result = TypeVar("Result")

LEASE = 30.0
ABANDON = 120.0
RECHECK = 2.0

CAPTURED = "4242424242424242"
DECLINED = "4000000000000002"
TIMEOUT = "4000000000000119"
PENDING = "4000000000003220"


class World:
    """Time, and the steps of all stubs."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.steps = 0
        self.on_step: Callable[[int, str], None] = lambda _step, _when: None
        self._lock = RLock()

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds

    def step(self, action: Callable[[], Result]) -> Result:
        with self._lock:
            self.steps += 1
            number = self.steps
        self.on_step(number, "before")
        with self._lock:
            result = action()
        self.on_step(number, "after")
        return result


@dataclass
class Row:
    """A payment with its times."""

    key: str
    attempt: Attempt
    leased_until: float
    settle_at: float | None
    stock_settled: bool = False


class MemoryPayments:
    """The stores of payments in memory; `broken` makes them unavailable."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rows: dict[str, Row] = {}
        self.messages: list[Outgoing] = []
        self.processed: set[str] = set()
        self.leases = Leases("here")
        self.broken = False

    def begin(self, key: str, attempt: Attempt) -> bool:
        def act() -> bool:
            if any(row.key == key for row in self.rows.values()):
                return False
            now = self.world.now
            self.rows[attempt.payment.payment_id] = Row(key, attempt, now + LEASE, now + ABANDON)
            return True

        return self._step(act)

    def by_key(self, key: str) -> Attempt | None:
        return self._step(
            lambda: next((self._of(r) for r in self.rows.values() if r.key == key), None)
        )

    def attempt(self, payment_id: str) -> Attempt | None:
        return self._step(
            lambda: self._of(self.rows[payment_id]) if payment_id in self.rows else None
        )

    def take_up(self, attempt: Attempt) -> bool:
        def act() -> bool:
            row = self._accepted(attempt.payment.payment_id, charging=attempt.charging)
            if row is None or row.leased_until > self.world.now:
                return False
            row.attempt = replace(row.attempt, lease=attempt.lease)
            row.leased_until = self.world.now + LEASE
            return True

        return self._step(act)

    def free(self, attempt: Attempt) -> None:
        def act() -> None:
            row = self.rows.get(attempt.payment.payment_id)
            if row and row.attempt.lease == attempt.lease:
                row.leased_until = self.world.now

        self._step(act)

    def discard(self, attempt: Attempt) -> None:
        def act() -> None:
            row = self._accepted(attempt.payment.payment_id, charging=False)
            if row and row.attempt.lease == attempt.lease:
                del self.rows[attempt.payment.payment_id]

        self._step(act)

    def charging(self, attempt: Attempt) -> bool:
        def act() -> bool:
            row = self._accepted(attempt.payment.payment_id, charging=False)
            if row is None or row.attempt.lease != attempt.lease:
                return False
            row.attempt = attempt
            row.leased_until = row.settle_at = self.world.now + LEASE
            return True

        return self._step(act)

    def paid(self, payment: Payment, message: Outgoing) -> bool:
        def act() -> bool:
            if not self._change(payment.payment_id, OrderState.PAID, None, charging=True):
                return False
            self.messages.append(message)
            return True

        return self._step(act)

    def declined(self, payment_id: str, reason: str) -> bool:
        return self._step(
            lambda: self._change(payment_id, OrderState.REJECTED, reason, charging=True)
        )

    def abandon(self, payment_id: str) -> bool:
        return self._step(
            lambda: self._change(payment_id, OrderState.REJECTED, "abandoned", charging=False)
        )

    def wait(self, payment_id: str) -> None:
        def act() -> None:
            if row := self._accepted(payment_id, charging=True):
                row.leased_until = self.world.now
                row.settle_at = self.world.now + RECHECK

        self._step(act)

    def free_left(self) -> int:
        def act() -> int:
            left = [
                row
                for row in self.rows.values()
                if row.settle_at is not None
                and row.attempt.lease.startswith(self.leases.place)
                and not row.attempt.lease.startswith(self.leases.own)
            ]
            for row in left:
                row.leased_until = self.world.now
                if row.attempt.payment.state is not OrderState.ACCEPTED:
                    row.settle_at = self.world.now
            return len(left)

        return self._step(act)

    def due(self, limit: int) -> list[Attempt]:
        def act() -> list[Attempt]:
            found = []
            for row in self.rows.values():
                if row.settle_at is None or row.settle_at > self.world.now:
                    continue
                attempt = self._of(row)
                row.settle_at = row.leased_until
                if not attempt.leased:
                    row.attempt = replace(row.attempt, lease=self.leases.new())
                    row.leased_until = row.settle_at = self.world.now + LEASE
                    found.append(attempt)
            return found[:limit]

        return self._step(act)

    def stock_done(self, payment_ids: Sequence[str], *, settled: bool) -> None:
        def act() -> None:
            for payment_id in payment_ids:
                self.rows[payment_id].stock_settled = settled
                self.rows[payment_id].settle_at = None

        self._step(act)

    def order(self, order_id: str) -> OrderProgress | None:
        self._check()
        found = (row.attempt.payment for row in self.rows.values())
        payment = next((each for each in found if each.order_id == order_id), None)
        return None if payment is None else self._progress(payment)

    def orders(self, owner: str, limit: int, before: Place | None) -> list[OrderProgress]:
        self._check()
        own = [r.attempt.payment for r in self.rows.values() if r.attempt.payment.user_id == owner]
        own.sort(key=lambda each: (each.created_at, each.payment_id), reverse=True)
        shown = [each for each in own if not before or (each.created_at, each.payment_id) < before]
        return [self._progress(each) for each in shown[:limit]]

    def check(self) -> str | None:
        return "MySQL: away" if self.broken else None

    def _progress(self, payment: Payment) -> OrderProgress:
        if payment.order_id in self.processed:
            return OrderProgress(payment, OrderState.PROCESSED, payment.created_at)
        return OrderProgress(payment, payment.state, None)

    def _of(self, row: Row) -> Attempt:
        accepted = row.attempt.payment.state is OrderState.ACCEPTED
        return replace(row.attempt, leased=accepted and row.leased_until > self.world.now)

    def _accepted(self, payment_id: str, *, charging: bool) -> Row | None:
        row = self.rows.get(payment_id)
        if row is None or row.attempt.payment.state is not OrderState.ACCEPTED:
            return None
        return row if row.attempt.charging == charging else None

    def _change(
        self, payment_id: str, state: OrderState, reason: str | None, *, charging: bool
    ) -> bool:
        row = self._accepted(payment_id, charging=charging)
        if row is None:
            return False
        payment = replace(row.attempt.payment, state=state, reason=reason)
        row.attempt = replace(row.attempt, payment=payment)
        row.settle_at = self.world.now + LEASE
        return True

    def _step(self, action: Callable[[], Result]) -> Result:
        self._check()
        return self.world.step(action)

    def _check(self) -> None:
        if self.broken:
            raise StoreUnavailableError("MySQL: away")


class MemoryStock:
    """A Stock in memory; a reservation is `held`, `committed`, `released` or `expired`."""

    def __init__(self, world: World, **left: int) -> None:
        self.world = world
        self.left = dict(left)
        self.prices = dict.fromkeys(left, 199_900)
        self.reservations: dict[str, tuple[str, Mapping[str, int]]] = {}
        self.away = False

    def state(self, order_id: str) -> str | None:
        return self.reservations.get(order_id, (None, {}))[0]

    def expire(self, order_id: str) -> None:
        self._end(order_id, "expired")

    def reserve(self, order_id: str, items: Mapping[str, int]) -> list[Reserved]:
        def act() -> list[Reserved]:
            state = self.state(order_id)
            if state == "released":
                raise StockRefusedError("released")
            if state not in {"held", "committed"}:
                self._take(order_id, items)
            return [
                Reserved(sku, f"{sku} Administration", self.prices[sku], 300, quantity)
                for sku, quantity in items.items()
            ]

        return self._step(act)

    def commit(self, order_ids: Sequence[str]) -> Mapping[str, str]:
        def act() -> dict[str, str]:
            refused = {}
            for order_id in order_ids:
                state = self.state(order_id)
                if state in {"held", "committed"}:
                    self.reservations[order_id] = ("committed", self.reservations[order_id][1])
                else:
                    refused[order_id] = state or "unknown"
            return refused

        return self._step(act)

    def release(self, order_id: str) -> None:
        def act() -> None:
            if self.state(order_id) == "committed":
                raise StockRefusedError("committed")
            self._end(order_id, "released")

        self._step(act)

    def _take(self, order_id: str, items: Mapping[str, int]) -> None:
        for number, (sku, quantity) in enumerate(items.items()):
            if sku not in self.left:
                raise refused(f"items[{number}].sku", f"there is no product {sku!r}")
            if self.left[sku] < quantity:
                field, message = f"items[{number}].quantity", f"{quantity} are not to be had"
                raise ProblemError(
                    HTTPStatus.CONFLICT,
                    f"{field}: {message}",
                    errors=[(field, message)],
                    code="out_of_stock",
                )
        for sku, quantity in items.items():
            self.left[sku] -= quantity
        self.reservations[order_id] = ("held", dict(items))

    def _end(self, order_id: str, state: str) -> None:
        before, items = self.reservations.get(order_id, (None, {}))
        if before == "held":
            for sku, quantity in items.items():
                self.left[sku] += quantity
        self.reservations[order_id] = (state, items)

    def _step(self, action: Callable[[], Result]) -> Result:
        if self.away:
            raise ServiceAwayError("The catalogue is away")
        return self.world.step(action)


class MemoryQuotes:
    """Quotes of ₹582.15 for one city; `asked` are the weights."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.away = False

    def quote(self, city: int, grams: int) -> Quoted:
        if self.away:
            raise ServiceAwayError("The shipping service is away")
        if city != 1277333:
            raise refused("shipping.city", f"there is no city {city}")
        self.asked.append(grams)
        return Quoted(58_215, "Bengaluru", "Karnataka", "IN")


class MemoryGateway:
    """A Gateway in memory, with the test cards of the simulated one."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.charges: dict[str, tuple[int, Outcome]] = {}
        self.before_answer: Callable[[str], None] = lambda _payment_id: None

    def charged(self) -> list[int]:
        """Return the amounts that were captured."""
        return [amount for amount, outcome in self.charges.values() if outcome == Captured()]

    def charge(self, payment_id: str, amount: int, card: Card) -> Outcome:
        outcomes: dict[str, Outcome] = {DECLINED: Declined(), PENDING: Pending()}

        def act() -> tuple[bool, Outcome]:
            known = payment_id in self.charges
            if not known:
                self.charges[payment_id] = (amount, outcomes.get(card.number, Captured()))
            return known, self.charges[payment_id][1]

        known, outcome = self.world.step(act)
        self.before_answer(payment_id)
        if not known and card.number == TIMEOUT:
            raise GatewayTimeoutError("no answer")
        return outcome

    def find(self, payment_id: str) -> Outcome | None:
        return self.world.step(lambda: self.charges.get(payment_id, (0, None))[1])

    def cancel(self, payment_id: str) -> Outcome:
        return self.world.step(
            lambda: self.charges.setdefault(payment_id, (0, Declined(CANCELLED)))[1]
        )

    def decide(self) -> None:
        """Let the bank capture what is pending."""
        for payment_id, (amount, outcome) in self.charges.items():
            if outcome == Pending():
                self.charges[payment_id] = (amount, Captured())
