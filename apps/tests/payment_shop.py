"""A whole payment service on stand-ins, which a process's end leaves as it is."""

import json
from contextlib import suppress
from typing import Any

from prometheus_client import CollectorRegistry

from skillupworks.errors import TransientError
from skillupworks.runtime.problems import ProblemError
from skillupworks.shop.checkout import Checkout
from skillupworks.shop.checkout_steps import OrderTaker
from skillupworks.shop.gateway import Captured
from skillupworks.shop.leases import Leases
from skillupworks.shop.payment_metrics import PaymentMetrics
from skillupworks.shop.payment_model import PaymentRequest
from skillupworks.shop.payments import OrderState, Payment
from skillupworks.shop.settlement import Settlement
from skillupworks.shop.settler import Settler
from skillupworks.shop.shipping_methods import ShippingMethod
from skillupworks.shop.stock_settler import StockSettler

from .payment_stubs import CAPTURED, MemoryGateway, MemoryPayments, MemoryQuotes, MemoryStock, World

BODY: dict[str, Any] = {
    "sessionId": "user-session-abc",
    "items": [{"sku": "Linux", "quantity": 1}],
    "shipping": {"city": 1277333},
    "card": {"number": CAPTURED},
}
METHODS = {"standard": ShippingMethod("Shipping Cost", 50_100)}
PIECES = 10


def request(card: str = CAPTURED, **changes: Any) -> PaymentRequest:
    """Return a request of the documented form, with changes."""
    body = BODY | {"card": {"number": card}} | changes
    return PaymentRequest.model_validate_json(json.dumps(body))


class Shop:
    """What outlives a process: the stubs; and what does not: all that is ours, in `start`."""

    def __init__(self) -> None:
        self.world = World()
        self.store = MemoryPayments(self.world)
        self.stock = MemoryStock(self.world, Linux=PIECES, Git=PIECES)
        self.quotes = MemoryQuotes()
        self.gateway = MemoryGateway(self.world)
        self.full = False
        self.woken = 0
        self.start()

    def start(self) -> None:
        """Begin anew, as a process does; what only the one before knew is gone."""
        self.world.on_step = lambda _step, _when: None
        self.registry = CollectorRegistry()
        metrics = PaymentMetrics(self.registry)
        self.store.leases = Leases("here")
        self.stock_settler = StockSettler(self.stock, self.store, metrics)
        self.settlement = Settlement(self.store, self.stock_settler, self._wake, metrics)
        self.settler = Settler(
            self.store,
            self.gateway,
            self.settlement,
            self.stock_settler,
            leases=self.store.leases,
            metrics=metrics,
        )
        self.checkout = Checkout(
            self.store,
            OrderTaker(self.stock, self.quotes, METHODS),
            self.gateway,
            self.settlement,
            leases=self.store.leases,
            full=lambda: self.full,
            metrics=metrics,
            clock=self.world.clock,
            sleep=self.world.sleep,
        )

    def pay(self, card: str = CAPTURED, key: str = "key", **changes: Any) -> Payment:
        """Pay as alice."""
        return self.checkout.pay(key, "alice", request(card, **changes)).payment

    def code(self, card: str = CAPTURED, **changes: Any) -> tuple[int, str | None]:
        """Return status and code of what a payment is refused with."""
        try:
            payment = self.pay(card, **changes)
        except ProblemError as problem:
            return problem.status, problem.code
        return (201 if payment.state is OrderState.PAID else 202), payment.reason

    def settle(self, rounds: int = 8) -> None:
        """Let time pass and the settler work."""
        for _ in range(rounds):
            self.world.now += 31
            self.settler.round()

    def tried(self, card: str = CAPTURED) -> None:
        """Pay, whatever comes of it."""
        with suppress(ProblemError, TransientError):
            self.pay(card)

    def metric(self, outcome: str) -> float:
        """Return how many payments had an outcome."""
        value = self.registry.get_sample_value("skillupworks_payments_total", {"outcome": outcome})
        return value or 0

    def assert_settled(self) -> None:
        """Check that money, orders and stock belong together, and nothing is left over."""
        states = [row.attempt.payment.state for row in self.store.rows.values()]
        paid = [
            row.attempt.payment
            for row in self.store.rows.values()
            if row.attempt.payment.state is OrderState.PAID
        ]
        assert OrderState.ACCEPTED not in states
        captured = {
            key for key, (_, outcome) in self.gateway.charges.items() if outcome == Captured()
        }
        assert captured == {payment.payment_id for payment in paid}
        assert self.gateway.charged() == [payment.total for payment in paid]
        ids = [str(message.message_id) for message in self.store.messages]
        assert sorted(ids) == sorted(payment.order_id for payment in paid)
        assert all(row.stock_settled for row in self.store.rows.values())
        assert {self.stock.state(payment.order_id) for payment in paid} <= {"committed"}
        assert "held" not in {state for state, _ in self.stock.reservations.values()}
        assert self.stock.left["Linux"] == PIECES - len(paid)

    def _wake(self) -> None:
        self.woken += 1
