"""Paying for an order: prices from the product list, one charge per idempotency key."""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Protocol

from skillupworks.errors import StoreUnavailableError
from skillupworks.messaging.message import Outgoing
from skillupworks.runtime import trace
from skillupworks.runtime.problems import ProblemError, come_back
from skillupworks.shop.money import CURRENCY
from skillupworks.shop.order import Line, Order
from skillupworks.shop.order_message import write_order
from skillupworks.shop.payment_model import (
    MAX_QUANTITY,
    OrderState,
    Payment,
    PaymentRequest,
)
from skillupworks.shop.products import ProductList
from skillupworks.shop.topology import EXCHANGE, ORDER_CREATED

__all__ = ["Checkout", "KeyedPayment", "OrderProgress", "PaymentStore", "order_message"]

# two ids of the same millisecond differ in three random digits; a clash is drawn again
ID_ATTEMPTS = 10


@dataclass(frozen=True)
class KeyedPayment:
    """A payment with what it was asked for by: a key, and the hash of the request's body."""

    payment: Payment
    request_hash: str


@dataclass(frozen=True)
class OrderProgress:
    """An order's payment, and how far its processing is."""

    payment: Payment
    state: OrderState
    processed_at: datetime | None


class PaymentStore(Protocol):
    """Where payments are kept. Every method may raise StoreUnavailableError."""

    def by_key(self, key: str) -> KeyedPayment | None:
        """Return the payment that was made with an idempotency key."""

    def add(self, key: str, keyed: KeyedPayment, message: Outgoing) -> bool:
        """Write payment and message, both or none; False when the key or an id is taken."""

    def payment(self, payment_id: str) -> Payment | None:
        """Return a payment."""

    def order(self, order_id: str) -> OrderProgress | None:
        """Return an order's progress."""

    def check(self) -> str | None:
        """Return None when the store answers, otherwise what is wrong."""


class Checkout:
    """Makes payments. Thread-safe if the store is; `published` is called after each commit.

    While `full` says that too many orders wait already, no new ones are taken.
    """

    def __init__(
        self,
        store: PaymentStore,
        products: ProductList,
        published: Callable[[], None],
        full: Callable[[], bool],
    ) -> None:
        self._store = store
        self._products = products
        self._published = published
        self._full = full

    def pay(self, key: str, request: PaymentRequest) -> tuple[Payment, bool]:
        """Return the payment of this request, and whether it was made before.

        Idempotent: the same key and request give the same payment and one charge, also when
        they race. Raises ProblemError: 422 for the same key with another request, or for a sku
        or shipping method that is not on the list; 503 when no orders are taken.
        """
        request_hash = hashlib.sha256(request.model_dump_json().encode()).hexdigest()
        try:
            lines = self._price(request)
            if self._full():
                raise come_back("Too many orders wait to be handed on")
        except ProblemError:
            if existing := self._store.by_key(key):
                return _same_request(existing, request_hash), True
            raise
        # the key is looked up only if it turns out to be taken: most are new
        for _ in range(ID_ATTEMPTS):
            payment = _new_payment(request, lines)
            keyed = KeyedPayment(payment, request_hash)
            if self._store.add(key, keyed, order_message(payment, trace.current())):
                self._published()
                return payment, False
            if existing := self._store.by_key(key):
                return _same_request(existing, request_hash), True
        raise StoreUnavailableError("no free order id was found")

    def _price(self, request: PaymentRequest) -> tuple[Line, ...]:
        quantities: dict[str, int] = {}
        for number, item in enumerate(request.items):
            if item.sku not in self._products.products:
                raise _invalid(f"items[{number}].sku", f"there is no product {item.sku!r}")
            quantities[item.sku] = quantities.get(item.sku, 0) + item.quantity
            if quantities[item.sku] > MAX_QUANTITY:
                raise _invalid(
                    f"items[{number}].quantity",
                    f"more than {MAX_QUANTITY} of {item.sku} in one order",
                )
        lines = []
        for sku, quantity in quantities.items():
            product = self._products.products[sku]
            lines.append(Line(sku, product.name, product.price, quantity))
        if request.shipping is not None:
            shipping = self._products.shipping.get(request.shipping.method)
            if shipping is None:
                raise _invalid("shipping.method", f"there is no method {request.shipping.method!r}")
            lines.append(Line(shipping.name, shipping.name, shipping.price, 1))
        return tuple(lines)


def order_message(payment: Payment, traceparent: str | None = None) -> Outgoing:
    """Return the message that hands a paid order on; the same payment makes the same message."""
    order = Order(
        order_id=payment.order_id,
        session_id=payment.session_id,
        user_id=payment.user_id,
        items=payment.lines,
        total=payment.total,
        timestamp=payment.created_at,
        payment_id=payment.payment_id,
    )
    return Outgoing(
        exchange=EXCHANGE,
        routing_key=ORDER_CREATED,
        body=write_order(order),
        # an order is created once, so its id identifies the message, however often it is sent
        message_id=payment.order_id,
        timestamp=payment.created_at,
        type=ORDER_CREATED,
        headers={trace.HEADER: traceparent} if traceparent else {},
    )


def _same_request(existing: KeyedPayment, request_hash: str) -> Payment:
    if existing.request_hash != request_hash:
        raise _invalid("Idempotency-Key", "was used before with another request body")
    return existing.payment


def _new_payment(request: PaymentRequest, lines: tuple[Line, ...]) -> Payment:
    milliseconds = time.time_ns() // 1_000_000
    return Payment(
        payment_id=f"pay_{secrets.token_hex(12)}",
        order_id=f"ORD-{milliseconds}{secrets.randbelow(1000):03d}",
        session_id=request.session_id,
        user_id=request.user_id,
        lines=lines,
        total=sum(line.total for line in lines),
        currency=CURRENCY,
        # the charge is immediate: there is no payment gateway behind this service
        state=OrderState.PAID,
        created_at=datetime.fromtimestamp(milliseconds / 1000, UTC),
    )


def _invalid(field: str, message: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY, f"{field}: {message}", errors=[(field, message)]
    )
