"""The steps of a payment that come before the charge: stock, shipping, and what it all costs."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus

from skillupworks.runtime.http_client import ServiceAwayError
from skillupworks.runtime.problems import ProblemError
from skillupworks.shop.address import Address
from skillupworks.shop.money import format_total
from skillupworks.shop.order import Line
from skillupworks.shop.payment_model import MAX_QUANTITY, PaymentRequest
from skillupworks.shop.shipping_client import Quoted, Quotes
from skillupworks.shop.shipping_methods import ShippingMethod
from skillupworks.shop.stock_client import Reserved, Stock, StockRefusedError

__all__ = ["OrderTaker", "Taken", "refused"]

# the line of what is shipped by a quote, named as the first flat rate always was
SHIPPING_LINE = "Shipping Cost"


@dataclass(frozen=True)
class Taken:
    """An order whose stock is reserved: its lines, their total in paise, and where it goes."""

    lines: tuple[Line, ...]
    total: int
    address: Address | None


class OrderTaker:
    """Reserves and prices an order; thread-safe. `methods` are flat rates by their code."""

    def __init__(self, stock: Stock, quotes: Quotes, methods: Mapping[str, ShippingMethod]) -> None:
        self._stock = stock
        self._quotes = quotes
        self._methods = methods

    def check(self, request: PaymentRequest) -> None:
        """Raise ProblemError 422 for what can be seen to be wrong without asking anybody."""
        quantities: dict[str, int] = {}
        for number, item in enumerate(request.items):
            quantities[item.sku] = quantities.get(item.sku, 0) + item.quantity
            if quantities[item.sku] > MAX_QUANTITY:
                raise refused(
                    f"items[{number}].quantity",
                    f"more than {MAX_QUANTITY} of {item.sku} in one order",
                )
        method = request.shipping.method if request.shipping else None
        if method is not None and method not in self._methods:
            raise refused("shipping.method", f"there is no method {method!r}")

    def take(self, order_id: str, items: Mapping[str, int], request: PaymentRequest) -> Taken:
        """Reserve what is ordered and say what it costs. May be repeated.

        Raises ProblemError: 409 `out_of_stock`, 409 `price_changed`, 422 for a product or city
        that is not known; nothing stays reserved then. StockRefusedError when it was given back
        before; ServiceAwayError.
        """
        try:
            reserved = self._stock.reserve(order_id, items)
        except ProblemError as problem:
            raise _renumbered(problem, request) from problem
        lines = [Line(each.sku, each.name, each.price, each.quantity) for each in reserved]
        try:
            quoted = self._quoted(request, reserved)
            if shipping := self._shipping(request, quoted):
                lines.append(shipping)
            total = sum(line.total for line in lines)
            _compare(request.expected_total_minor, total)
        except ProblemError:
            # if it cannot be given back now, it is when its time is over
            with suppress(ServiceAwayError, StockRefusedError):
                self._stock.release(order_id)
            raise
        return Taken(tuple(lines), total, _address(request, quoted))

    def _quoted(self, request: PaymentRequest, reserved: list[Reserved]) -> Quoted | None:
        if request.shipping is None or request.shipping.city is None:
            return None
        grams = sum(each.grams * each.quantity for each in reserved)
        return self._quotes.quote(request.shipping.city, grams)

    def _shipping(self, request: PaymentRequest, quoted: Quoted | None) -> Line | None:
        if request.shipping is None:
            return None
        if quoted is not None:
            return Line(SHIPPING_LINE, SHIPPING_LINE, quoted.price, 1)
        flat = self._methods[request.shipping.method or ""]
        return Line(flat.name, flat.name, flat.price, 1)


def _address(request: PaymentRequest, quoted: Quoted | None) -> Address | None:
    """Return the customer's address in the city that was quoted."""
    given = request.shipping.address if request.shipping else None
    if given is None or quoted is None:
        return None
    return Address(
        name=given.name,
        street=given.street,
        postal_code=given.postal_code,
        city=quoted.city,
        region=quoted.region,
        country=quoted.country,
        phone=given.phone,
    )


def _compare(expected: int | None, total: int) -> None:
    if expected is not None and expected != total:
        raise ProblemError(
            HTTPStatus.CONFLICT,
            f"The order costs {format_total(total)} now, and not {format_total(expected)};"
            " nothing was charged",
            code="price_changed",
        )


def refused(field: str, message: str) -> ProblemError:
    """Return the problem of a field that makes a request impossible."""
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY, f"{field}: {message}", errors=[(field, message)]
    )


def _renumbered(problem: ProblemError, request: PaymentRequest) -> ProblemError:
    """Name the items by their places in the request, where a product may stand twice."""
    skus = [item.sku for item in request.items]
    places = [skus.index(sku) for sku in dict.fromkeys(skus)]

    def place(found: re.Match[str]) -> str:
        number = int(found[1])
        return f"items[{places[number] if number < len(places) else number}]"

    errors = [
        (re.sub(r"^items\[(\d+)\]", place, each.field), each.message) for each in problem.errors
    ]
    detail = "; ".join(f"{field}: {message}" for field, message in errors)
    return ProblemError(problem.status, detail, errors=errors, code=problem.code)
