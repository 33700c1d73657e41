"""Money: integer minor units (paise) inside, rupees at the edges.

The messages and the HTTP interface carry rupees as JSON numbers (1999, 2500.5), as the shop's
message format always has. Inside there are only integers, so that sums are exact.
"""

from math import isnan

__all__ = ["CURRENCY", "MAX_MINOR", "format_amount", "format_total", "from_rupees", "to_rupees"]

CURRENCY = "INR"
PAISE = 100
# a hundred crore rupees: far above any order, far below what BIGINT and JSON numbers hold exactly
MAX_MINOR = 1_000_000_000 * PAISE


def from_rupees(value: object) -> int:
    """Return the paise of a JSON number of rupees, which is an int or a float.

    Raises ValueError for anything else: text, true, NaN, more than two decimals, negative, huge.
    A float is exact enough: up to MAX_MINOR it is the nearest one to one number of two decimals
    at most, and what rounds to the same float differs in the seventh decimal or later.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        minor = value * PAISE
    elif isinstance(value, float):
        minor = _from_float(value)
    else:
        raise ValueError("must be a number")  # noqa: TRY004 - pydantic reports ValueError
    if minor < 0:
        raise ValueError("must not be negative")
    if minor > MAX_MINOR:
        raise ValueError("is too large")
    return minor


def _from_float(value: float) -> int:
    if isnan(value):
        raise ValueError("must be a finite number")
    if abs(value) > MAX_MINOR:  # also 1e999, which is infinite as a float
        return MAX_MINOR + 1 if value > 0 else -1
    if round(value, 2) != value:
        raise ValueError("must have at most two decimals")
    return round(value * PAISE)


def to_rupees(minor: int) -> int | float:
    """Return the JSON number of an amount: an integer when it is whole.

    The float is exact to the paisa: below MAX_MINOR its shortest form has at most two decimals.
    """
    return minor // PAISE if minor % PAISE == 0 else minor / PAISE


def format_total(minor: int) -> str:
    """Return an amount with two decimals, as in ₹2500.00."""
    return f"₹{minor // PAISE}.{minor % PAISE:02d}"


def format_amount(minor: int) -> str:
    """Return an amount with decimals only where there are paise, as in ₹1999 or ₹0.50."""
    return f"₹{minor // PAISE}" if minor % PAISE == 0 else format_total(minor)
