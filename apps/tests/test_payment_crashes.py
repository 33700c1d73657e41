"""Wherever a process ends, nobody is charged without an order, and nothing stays reserved."""

from contextlib import suppress
from typing import Any

import pytest

from skillupworks.errors import StoreUnavailableError
from skillupworks.shop.leases import Leases
from skillupworks.shop.payments import OrderState

from .payment_shop import PIECES, Shop
from .payment_stubs import CAPTURED, DECLINED, PENDING, TIMEOUT

# more steps than a request takes, with its stock
STEPS = range(1, 11)


class EndedError(Exception):
    """The process has ended here."""


@pytest.fixture
def shop(events: list[Any]) -> Shop:
    """Return a shop that nobody has bought at; what is logged is not printed."""
    del events
    return Shop()


def end_at(shop: Shop, step: int, when: str, error: type[Exception]) -> None:
    """End the process at a step: from then on it does nothing."""

    def on_step(number: int, at: str) -> None:
        if number > step or (number, at) == (step, when):
            raise error

    shop.world.steps = 0
    shop.world.on_step = on_step


def pay_until(shop: Shop, card: str, step: int, when: str) -> None:
    """Pay, and end at a step; then begin anew."""
    end_at(shop, step, when, EndedError)
    with suppress(EndedError):
        shop.tried(card)
        shop.stock_settler.drain()
    shop.start()


CARDS = pytest.mark.parametrize("card", [CAPTURED, DECLINED, TIMEOUT, PENDING])
WHEN = pytest.mark.parametrize("when", ["before", "after"])
STEP = pytest.mark.parametrize("step", STEPS)


@CARDS
@WHEN
@STEP
def test_the_settler_finishes_what_nobody_repeats(
    shop: Shop, card: str, when: str, step: int
) -> None:
    pay_until(shop, card, step, when)

    shop.settle()
    shop.gateway.decide()
    shop.settle()

    shop.assert_settled()
    assert len(shop.store.rows) <= 1


@CARDS
@WHEN
@STEP
def test_a_process_goes_on_at_once_with_what_the_one_before_had_in_hand(
    shop: Shop, card: str, when: str, step: int
) -> None:
    pay_until(shop, card, step, when)

    shop.settler.round()
    shop.tried(card)
    shop.stock_settler.drain()

    rows = [row.attempt.payment.state for row in shop.store.rows.values()]
    expected = {CAPTURED: OrderState.PAID, DECLINED: OrderState.REJECTED}
    assert rows == [expected.get(card, rows[0])]
    if card in expected:
        shop.assert_settled()


@CARDS
@WHEN
@STEP
def test_who_was_cut_off_from_the_database_goes_on_as_soon_as_it_is_back(
    shop: Shop, card: str, when: str, step: int
) -> None:
    end_at(shop, step, when, StoreUnavailableError)
    shop.tried(card)
    with suppress(StoreUnavailableError):
        shop.settler.round()
    shop.world.on_step = lambda _step, _when: None
    began = shop.world.now

    shop.settler.round()
    shop.tried(card)
    shop.stock_settler.drain()

    expected = {CAPTURED: OrderState.PAID, DECLINED: OrderState.REJECTED}
    states = [row.attempt.payment.state for row in shop.store.rows.values()]
    assert states == [expected.get(card, states[0])]
    assert shop.world.now - began < 1


def test_what_a_process_at_another_place_has_in_hand_is_left_to_it(shop: Shop) -> None:
    end_at(shop, 2, "after", EndedError)
    with suppress(EndedError):
        shop.tried()
    shop.start()
    shop.store.leases = Leases("there")

    shop.settler.round()

    assert shop.code()[0] == 202


@CARDS
@WHEN
@STEP
def test_the_same_request_goes_on_where_the_one_before_has_ended(
    shop: Shop, card: str, when: str, step: int
) -> None:
    pay_until(shop, card, step, when)
    shop.world.now += 31

    shop.tried(card)
    shop.gateway.decide()
    shop.tried(card)

    assert (len(shop.store.rows), len(shop.gateway.charges)) == (1, 1)
    shop.settle()
    shop.assert_settled()
    assert len(shop.gateway.charged()) == (0 if card == DECLINED else 1)


@CARDS
@WHEN
@STEP
def test_request_settler_and_request_again_agree(
    shop: Shop, card: str, when: str, step: int
) -> None:
    pay_until(shop, card, step, when)
    shop.settle(3)
    before = dict(shop.gateway.charges)
    shop.tried(card)
    shop.gateway.decide()
    shop.settle()
    shop.tried(card)
    shop.stock_settler.drain()

    shop.assert_settled()
    assert len(shop.store.rows) == 1
    assert len(shop.gateway.charges) <= max(1, len(before))


@CARDS
@WHEN
@STEP
@pytest.mark.parametrize("settler_step", range(1, 7))
def test_the_settler_may_end_at_each_of_its_steps_too(
    shop: Shop, card: str, when: str, step: int, settler_step: int
) -> None:
    pay_until(shop, card, step, when)
    shop.gateway.decide()
    end_at(shop, settler_step, when, EndedError)
    with suppress(EndedError):
        shop.settle(5)
    shop.start()

    shop.settle()

    shop.assert_settled()


@CARDS
@WHEN
@STEP
def test_the_database_may_be_lost_at_each_step(shop: Shop, card: str, when: str, step: int) -> None:
    end_at(shop, step, when, StoreUnavailableError)
    with suppress(StoreUnavailableError):
        shop.tried(card)
        shop.stock_settler.drain()
    shop.start()
    shop.gateway.decide()

    shop.settle()

    shop.assert_settled()


@WHEN
@STEP
def test_a_refusal_that_ends_at_each_step_leaves_no_stock_behind(
    shop: Shop, when: str, step: int
) -> None:
    end_at(shop, step, when, EndedError)
    with suppress(EndedError):
        shop.code(expectedTotalMinor=1)
    shop.start()
    shop.world.now += 31

    assert shop.code(expectedTotalMinor=1) == (409, "price_changed")
    assert shop.store.rows == {}
    assert shop.stock.left["Linux"] == PIECES


def test_a_charge_that_arrives_after_it_was_given_up_is_not_taken(shop: Shop) -> None:
    def settler_first(number: int, when: str) -> None:
        # the request is about to charge, and hangs
        if (number, when) == (4, "before"):
            shop.world.on_step = lambda _step, _when: None
            shop.settle(2)

    shop.world.on_step = settler_first

    payment = shop.pay()

    assert payment.reason == "abandoned"
    assert shop.gateway.charged() == []
    shop.settle()
    shop.assert_settled()
