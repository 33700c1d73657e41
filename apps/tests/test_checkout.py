"""Payments are priced from the product list and made once per idempotency key."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from skillupworks.messaging.message import Delivery
from skillupworks.runtime import trace
from skillupworks.runtime.problems import ProblemError
from skillupworks.shop.checkout import Checkout, order_message
from skillupworks.shop.order import Line
from skillupworks.shop.order_message import parse_order
from skillupworks.shop.payment_model import OrderState, PaymentRequest
from skillupworks.shop.products import Item, ProductList

from .stubs import MemoryPaymentStore

PRODUCTS = ProductList(
    products={
        "Linux": Item("Linux Administration", 199900),
        "MySQL": Item("MySQL Administration", 159950),
    },
    shipping={"standard": Item("Shipping Cost", 50100)},
)


def request(**changes: Any) -> PaymentRequest:
    body = {
        "sessionId": "session-12345",
        "userId": "507f1f77bcf86cd799439011",
        "items": [{"sku": "Linux", "quantity": 1}],
    }
    return PaymentRequest.model_validate_json(json.dumps(body | changes))


@pytest.fixture
def store() -> MemoryPaymentStore:
    """Return an empty store."""
    return MemoryPaymentStore()


@pytest.fixture
def woken() -> list[str]:
    """Return where each wake-up of the relay is noted."""
    return []


@pytest.fixture
def full() -> list[str]:
    """Return what fills the outbox: nothing yet."""
    return []


@pytest.fixture
def checkout(store: MemoryPaymentStore, woken: list[str], full: list[str]) -> Checkout:
    """Return a checkout on that store."""
    wake: Callable[[], None] = lambda: woken.append("woken")  # noqa: E731
    return Checkout(store, PRODUCTS, wake, lambda: bool(full))


def test_the_price_comes_from_the_list_and_shipping_is_a_line(checkout: Checkout) -> None:
    payment, _ = checkout.pay("key", request(shipping={"method": "standard"}))

    assert payment.lines == (
        Line("Linux", "Linux Administration", 199900, 1),
        Line("Shipping Cost", "Shipping Cost", 50100, 1),
    )
    assert (250000, "INR", OrderState.PAID) == (payment.total, payment.currency, payment.state)


def test_a_price_in_the_request_is_ignored(checkout: Checkout) -> None:
    items = [{"sku": "Linux", "quantity": 2, "price": 1}]

    payment, _ = checkout.pay("key", request(items=items, total=2))

    assert payment.total == 399800


def test_lines_of_the_same_sku_are_added_up(checkout: Checkout) -> None:
    items = [{"sku": sku, "quantity": 2} for sku in ("Linux", "MySQL", "Linux")]

    payment, _ = checkout.pay("key", request(items=items))

    assert [("Linux", 4), ("MySQL", 2)] == [(line.sku, line.quantity) for line in payment.lines]


def test_more_than_99_of_a_sku_is_refused_also_over_several_lines(checkout: Checkout) -> None:
    items = [{"sku": "Linux", "quantity": 50}, {"sku": "Linux", "quantity": 50}]

    with pytest.raises(ProblemError, match=r"^items\[1\]\.quantity: more than 99 of Linux"):
        checkout.pay("key", request(items=items))


def test_the_ids_have_the_documented_form(checkout: Checkout) -> None:
    payment, _ = checkout.pay("key", request())

    assert re.fullmatch(r"ORD-\d{16}", payment.order_id)
    assert re.fullmatch(r"pay_[0-9a-f]{24}", payment.payment_id)


def test_the_message_left_for_the_relay_is_the_order(
    checkout: Checkout, store: MemoryPaymentStore, woken: list[str]
) -> None:
    payment, _ = checkout.pay("key", request(shipping={"method": "standard"}))

    (message,) = store.messages
    order = parse_order(Delivery(message.body, content_type=message.content_type))
    assert (payment.order_id, payment.payment_id, payment.total, payment.lines) == (
        order.order_id,
        order.payment_id,
        order.total,
        order.items,
    )
    assert order.timestamp == payment.created_at
    assert ("skillupworks", "order.created") == (message.exchange, message.routing_key)
    assert message.message_id == payment.order_id
    assert woken == ["woken"]


def test_the_same_key_and_request_give_the_same_payment_and_one_charge(
    checkout: Checkout, store: MemoryPaymentStore
) -> None:
    first, first_repeated = checkout.pay("key", request())
    second, second_repeated = checkout.pay("key", request())

    assert (first, False, True) == (second, first_repeated, second_repeated)
    assert len(store.messages) == 1


def test_twenty_requests_that_race_with_one_key_are_one_charge(
    checkout: Checkout, store: MemoryPaymentStore
) -> None:
    with ThreadPoolExecutor(20) as executor:
        payments = list(executor.map(lambda _: checkout.pay("key", request())[0], range(20)))

    assert len(set(payments)) == 1
    assert len(store.messages) == 1


def test_a_repetition_is_answered_also_when_the_product_is_gone(
    checkout: Checkout, store: MemoryPaymentStore
) -> None:
    first, _ = checkout.pay("key", request())
    emptied = Checkout(store, ProductList({}, {}), lambda: None, lambda: False)

    assert (first, True) == emptied.pay("key", request())


def test_the_message_carries_the_trace_of_its_request(
    checkout: Checkout, store: MemoryPaymentStore
) -> None:
    traceparent = trace.accept(None)

    with trace.traced(traceparent):
        checkout.pay("key", request())
    checkout.pay("another key", request())

    assert [{"traceparent": traceparent}, {}] == [message.headers for message in store.messages]


def test_a_payment_read_again_makes_the_same_message(
    checkout: Checkout, store: MemoryPaymentStore
) -> None:
    payment, _ = checkout.pay("key", request(shipping={"method": "standard"}))

    assert store.messages == [order_message(payment)]


def test_no_order_is_taken_while_too_many_wait(
    checkout: Checkout, store: MemoryPaymentStore, full: list[str]
) -> None:
    full.append("of orders")

    with pytest.raises(ProblemError, match="Too many orders wait") as caught:
        checkout.pay("key", request())

    assert (503, {"Retry-After": "5"}) == (caught.value.status, caught.value.headers)
    assert store.messages == []


def test_a_repetition_is_answered_also_while_too_many_wait(
    checkout: Checkout, full: list[str]
) -> None:
    first, _ = checkout.pay("key", request())
    full.append("of orders")

    assert (first, True) == checkout.pay("key", request())


def test_the_same_key_with_another_request_is_refused(checkout: Checkout) -> None:
    checkout.pay("key", request())

    with pytest.raises(ProblemError, match=r"^Idempotency-Key: was used before"):
        checkout.pay("key", request(sessionId="another"))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"items": [{"sku": "Linux", "quantity": 1}, {"sku": "Nope", "quantity": 1}]}, "Nope"),
        ({"shipping": {"method": "rocket"}}, "rocket"),
    ],
)
def test_what_is_not_on_the_list_is_named(
    checkout: Checkout, store: MemoryPaymentStore, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ProblemError, match=problem) as caught:
        checkout.pay("key", request(**changes))

    assert caught.value.errors[0].field in ("items[1].sku", "shipping.method")
    assert store.messages == []
