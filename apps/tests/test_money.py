"""Money comes in as JSON numbers of rupees and is counted in paise."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillupworks.shop.money import (
    MAX_MINOR,
    format_amount,
    format_total,
    from_rupees,
    to_rupees,
)


@given(st.integers(min_value=0, max_value=MAX_MINOR))
def test_an_amount_survives_the_way_through_json(minor: int) -> None:
    text = json.dumps(to_rupees(minor))

    assert from_rupees(json.loads(text)) == minor


@pytest.mark.parametrize(
    ("rupees", "minor"),
    [(1999, 199900), (2500.50, 250050), (1999.0, 199900), (0, 0), (0.29, 29), (1e9, MAX_MINOR)],
)
def test_rupees_become_paise(rupees: object, minor: int) -> None:
    assert minor == from_rupees(rupees)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (1.005, "two decimals"),
        (999_999_999.991, "two decimals"),
        (1e-300, "two decimals"),
        (-1, "negative"),
        (-0.01, "negative"),
        (float("nan"), "finite"),
        (float("inf"), "too large"),
        (float("-inf"), "negative"),
        (10**30, "too large"),
        (1e300, "too large"),
        (1_000_000_000.01, "too large"),
        ("1999", "must be a number"),
        (True, "must be a number"),
        (None, "must be a number"),
    ],
)
def test_what_is_no_amount_of_money_is_refused(value: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        from_rupees(value)


@pytest.mark.parametrize(
    ("minor", "total", "amount"),
    [
        (250000, "₹2500.00", "₹2500"),
        (50, "₹0.50", "₹0.50"),
        (199905, "₹1999.05", "₹1999.05"),
        (0, "₹0.00", "₹0"),
    ],
)
def test_totals_have_two_decimals_and_lines_only_if_there_are_paise(
    minor: int, total: str, amount: str
) -> None:
    assert total == format_total(minor)
    assert amount == format_amount(minor)
