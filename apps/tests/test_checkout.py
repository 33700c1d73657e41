"""Payments take stock, price and shipping from where they are known, and charge once per key."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from skillupworks.errors import StoreUnavailableError
from skillupworks.messaging.message import Delivery
from skillupworks.runtime import trace
from skillupworks.runtime.problems import ProblemError
from skillupworks.shop.order import Line
from skillupworks.shop.order_message import parse_order
from skillupworks.shop.payment_message import order_message
from skillupworks.shop.payments import OrderState

from .payment_shop import PIECES, Shop, request
from .payment_stubs import CAPTURED, DECLINED, PENDING, TIMEOUT


@pytest.fixture
def shop(events: list[Any]) -> Shop:
    """Return a shop that nobody has bought at; what is logged is not printed."""
    del events
    return Shop()


def test_prices_come_from_the_catalogue_and_shipping_is_a_line(shop: Shop) -> None:
    payment = shop.pay(items=[{"sku": "Linux", "quantity": 2}])

    assert payment.lines == (
        Line("Linux", "Linux Administration", 199_900, 2),
        Line("Shipping Cost", "Shipping Cost", 58_215, 1),
    )
    assert (458_015, "INR", OrderState.PAID) == (payment.total, payment.currency, payment.state)
    assert shop.quotes.asked == [600]
    assert shop.gateway.charged() == [458_015]


def test_a_flat_rate_is_taken_from_the_file(shop: Shop) -> None:
    assert shop.pay(shipping={"method": "standard"}).total == 250_000


def test_nothing_is_shipped_when_nobody_asks_for_it(shop: Shop) -> None:
    assert len(shop.pay(shipping=None).lines) == 1


def test_lines_of_the_same_sku_are_added_up(shop: Shop) -> None:
    items = [{"sku": sku, "quantity": 2} for sku in ("Linux", "Git", "Linux")]

    payment = shop.pay(items=items, shipping=None)

    assert [("Linux", 4), ("Git", 2)] == [(line.sku, line.quantity) for line in payment.lines]


def test_more_than_99_of_a_sku_is_refused_also_over_several_lines(shop: Shop) -> None:
    items = [{"sku": "Linux", "quantity": 50}, {"sku": "Linux", "quantity": 50}]

    with pytest.raises(ProblemError, match=r"^items\[1\]\.quantity: more than 99 of Linux"):
        shop.pay(items=items)
    assert shop.store.rows == {}


def test_the_ids_have_the_documented_form(shop: Shop) -> None:
    payment = shop.pay()

    assert re.fullmatch(r"ORD-\d{16}", payment.order_id)
    assert re.fullmatch(r"pay_[0-9a-f]{24}", payment.payment_id)


def test_the_message_left_for_the_relay_is_the_order(shop: Shop) -> None:
    payment = shop.pay()

    (message,) = shop.store.messages
    order = parse_order(Delivery(message.body, content_type=message.content_type))
    assert (payment.order_id, payment.payment_id, payment.total, payment.lines) == (
        order.order_id,
        order.payment_id,
        order.total,
        order.items,
    )
    assert (order.session_id, order.user_id) == ("user-session-abc", "alice")
    assert order.timestamp == payment.created_at
    assert message.message_id == payment.order_id
    assert message == order_message(payment)
    assert shop.woken == 1


def test_a_visit_without_a_name_has_its_owners(shop: Shop) -> None:
    assert shop.pay(sessionId=None).session_id == "alice"


def test_the_message_carries_the_trace_of_its_request(shop: Shop) -> None:
    traceparent = trace.accept(None)

    with trace.traced(traceparent):
        shop.pay()
    shop.pay(key="another key")

    assert [{"traceparent": traceparent}, {}] == [each.headers for each in shop.store.messages]


@pytest.mark.parametrize("card", [TIMEOUT, PENDING])
def test_an_order_that_somebody_else_settles_stays_in_the_trace_of_its_request(
    shop: Shop, card: str
) -> None:
    traceparent = trace.accept(None)
    with trace.traced(traceparent):
        shop.pay(card)

    shop.gateway.decide()
    shop.settle()

    (message,) = shop.store.messages
    assert message.headers == {"traceparent": traceparent}


def test_an_order_that_an_earlier_release_began_is_in_the_trace_of_who_goes_on_with_it(
    shop: Shop,
) -> None:
    shop.pay(TIMEOUT)  # outside of a trace, as if nothing were kept of it
    traceparent = trace.accept(None)

    with trace.traced(traceparent):
        shop.pay(TIMEOUT)

    (message,) = shop.store.messages
    assert message.headers == {"traceparent": traceparent}


def test_a_request_that_is_repeated_in_another_trace_leaves_the_order_in_the_first(
    shop: Shop,
) -> None:
    traceparent = trace.accept(None)
    with trace.traced(traceparent):
        shop.pay(TIMEOUT)

    with trace.traced(trace.accept(None)):
        shop.pay(TIMEOUT)

    (message,) = shop.store.messages
    assert message.headers == {"traceparent": traceparent}


def test_stock_is_sold_after_the_answer_and_without_the_settler(shop: Shop) -> None:
    payment = shop.pay()
    assert shop.stock.state(payment.order_id) == "held"

    shop.stock_settler.drain()

    shop.assert_settled()


def test_stock_whose_hold_has_expired_is_taken_again(shop: Shop) -> None:
    payment = shop.pay()
    shop.stock.expire(payment.order_id)

    shop.stock_settler.drain()

    assert shop.stock.state(payment.order_id) == "committed"
    shop.assert_settled()


def test_a_paid_order_without_stock_stays_paid_and_is_told_once(
    shop: Shop, events: list[Any]
) -> None:
    payment = shop.pay()
    shop.stock.expire(payment.order_id)
    shop.stock.left["Linux"] = 0

    shop.stock_settler.drain()
    shop.settle()

    assert shop.pay().state is OrderState.PAID
    name = "skillupworks_orders_without_stock_total"
    assert shop.registry.get_sample_value(name) == 1
    assert [each["outcome"] for each in events if each["log_level"] == "error"] == ["without-stock"]


def test_stock_is_settled_later_when_the_catalogue_was_away(shop: Shop) -> None:
    shop.pay()
    shop.stock.away = True
    shop.stock_settler.drain()
    shop.settle(2)
    shop.stock.away = False

    shop.settle(2)

    shop.assert_settled()


@pytest.mark.parametrize("card", [CAPTURED, DECLINED, TIMEOUT, PENDING])
def test_the_same_key_and_request_give_the_same_payment_and_one_charge(
    shop: Shop, card: str
) -> None:
    first = shop.code(card)
    assert len(shop.gateway.charges) == 1

    second = shop.code(card)

    expected = {
        CAPTURED: (201, 201),
        DECLINED: (201, 201),
        TIMEOUT: (202, 201),
        PENDING: (202, 202),
    }
    if card == DECLINED:
        assert first == second == (202, "card_declined")
    else:
        assert (first[0], second[0]) == expected[card]
    assert (len(shop.store.rows), len(shop.gateway.charges)) == (1, 1)
    shop.gateway.decide()
    shop.settle()
    shop.assert_settled()


def test_twenty_requests_that_race_with_one_key_are_one_charge(shop: Shop) -> None:
    with ThreadPoolExecutor(20) as executor:
        payments = list(executor.map(lambda _: shop.pay(), range(20)))

    assert len({payment.order_id for payment in payments}) == 1
    assert len(shop.store.messages) == len(shop.gateway.charges) == 1
    shop.stock_settler.drain()
    shop.assert_settled()


def test_who_comes_while_another_request_works_waits_and_then_is_told_to_ask_later(
    shop: Shop,
) -> None:
    seen: list[Any] = []

    def meanwhile(_payment_id: str) -> None:
        shop.gateway.before_answer = lambda _payment_id: None
        began = shop.world.now
        seen.extend([shop.pay(), shop.world.now - began])

    shop.gateway.before_answer = meanwhile
    payment = shop.pay()

    assert (seen[0].state, seen[0].order_id) == (OrderState.ACCEPTED, payment.order_id)
    assert 5 <= seen[1] < 6
    assert payment.state is OrderState.PAID
    assert len(shop.gateway.charges) == 1


def test_an_outcome_that_the_webhook_brings_before_the_answer_counts_once(shop: Shop) -> None:
    def webhook(payment_id: str) -> None:
        attempt = shop.store.attempt(payment_id)
        assert attempt
        for _ in range(2):
            shop.settlement.apply(attempt, shop.gateway.charges[payment_id][1])

    shop.gateway.before_answer = webhook

    assert shop.pay().state is OrderState.PAID
    assert len(shop.store.messages) == 1
    shop.stock_settler.drain()
    shop.assert_settled()


def test_a_declined_card_gives_the_stock_back(shop: Shop) -> None:
    payment = shop.pay(DECLINED)

    assert (payment.state, payment.reason) == (OrderState.REJECTED, "card_declined")
    shop.stock_settler.drain()
    shop.assert_settled()
    assert shop.stock.left["Linux"] == PIECES


def test_the_same_key_with_another_request_or_owner_is_refused(shop: Shop) -> None:
    shop.pay()

    for changes in ({"sessionId": "another"}, {"shipping": None}, {"card": TIMEOUT}):
        with pytest.raises(ProblemError, match=r"^Idempotency-Key: was used before"):
            shop.pay(**changes)
    with pytest.raises(ProblemError, match=r"^Idempotency-Key: was used before"):
        shop.checkout.pay("key", "bob", request())


def test_what_is_sold_out_may_be_bought_later_with_the_same_key(shop: Shop) -> None:
    shop.stock.left["Linux"] = 0
    assert shop.code() == (409, "out_of_stock")
    assert (shop.store.rows, shop.gateway.charges) == ({}, {})
    assert shop.metric("out_of_stock") == 1

    shop.stock.left["Linux"] = PIECES

    assert shop.code() == (201, None)


def test_another_price_than_was_shown_is_not_charged(shop: Shop) -> None:
    with pytest.raises(ProblemError, match=r"₹2581\.15 now, and not ₹2000\.00") as caught:
        shop.pay(expectedTotalMinor=200_000)

    assert (caught.value.status, caught.value.code) == (409, "price_changed")
    assert (shop.store.rows, shop.gateway.charges) == ({}, {})
    assert shop.stock.left["Linux"] == PIECES
    assert shop.code(expectedTotalMinor=258_115) == (201, None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"items": [{"sku": "Nope", "quantity": 1}]}, "items[0].sku"),
        (
            {"items": [{"sku": sku, "quantity": 1} for sku in ("Linux", "Linux", "Nope")]},
            "items[2].sku",
        ),
        ({"shipping": {"method": "rocket"}}, "shipping.method"),
        ({"shipping": {"city": 1}}, "shipping.city"),
    ],
)
def test_what_is_not_sold_or_shipped_to_is_named_and_leaves_nothing(
    shop: Shop, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(ProblemError) as caught:
        shop.pay(**changes)

    assert (caught.value.status, caught.value.errors[0].field) == (422, field)
    assert (shop.store.rows, shop.gateway.charges) == ({}, {})
    assert shop.stock.left["Linux"] == PIECES


def test_while_something_is_away_nothing_is_charged_and_the_same_request_goes_on(
    shop: Shop,
) -> None:
    shop.stock.away = True
    assert shop.code() == (503, None)
    shop.stock.away, shop.quotes.away = False, True
    assert shop.code() == (503, None)
    shop.quotes.away = False

    assert shop.code() == (201, None)
    assert (len(shop.store.rows), len(shop.gateway.charges)) == (1, 1)


def test_without_the_database_nothing_happens(shop: Shop) -> None:
    shop.store.broken = True

    with pytest.raises(StoreUnavailableError):
        shop.pay()
    assert (shop.stock.reservations, shop.gateway.charges) == ({}, {})


def test_no_order_is_taken_while_too_many_wait_and_a_repetition_is_answered(shop: Shop) -> None:
    first = shop.pay()
    shop.full = True

    with pytest.raises(ProblemError, match="Too many orders wait") as caught:
        shop.pay(key="new")

    assert (503, {"Retry-After": "5"}) == (caught.value.status, caught.value.headers)
    assert shop.pay() == first
    assert len(shop.store.messages) == 1
