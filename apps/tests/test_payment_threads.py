"""Payment's own threads: stock is settled as soon as it is paid, and a settler never ends."""

from typing import Any

import pytest

from .payment_shop import Shop
from .payment_stubs import TIMEOUT
from .waiting import wait_until


@pytest.fixture
def shop(events: list[Any]) -> Shop:
    """Return a shop that nobody has bought at; what is logged is not printed."""
    del events
    return Shop()


def test_stock_is_settled_at_once_and_what_waits_before_the_end(shop: Shop) -> None:
    shop.stock_settler.start()
    payment = shop.pay()
    wait_until(lambda: shop.store.rows[payment.payment_id].stock_settled)
    assert shop.stock_settler.hung() is None

    shop.pay(key="another key")
    shop.stock_settler.stop()

    assert all(row.stock_settled for row in shop.store.rows.values())
    assert shop.stock_settler.hung() == "the stock settler has ended"


def test_the_settler_goes_on_after_the_database_was_away(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skillupworks.shop.settler.ROUND_SECONDS", 0.01)
    payment = shop.pay(TIMEOUT)
    shop.world.now += 31
    shop.store.broken = True
    shop.settler.start()
    shop.stock_settler.start()
    wait_until(lambda: shop.settler.problem() is not None)

    shop.store.broken = False

    wait_until(lambda: shop.store.rows[payment.payment_id].stock_settled)
    assert shop.settler.hung() is None
    shop.settler.stop()
    shop.stock_settler.stop()
    assert shop.settler.hung() == "the settler has ended"
