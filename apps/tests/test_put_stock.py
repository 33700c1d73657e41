"""The stock that a load test leaves behind: what it was, less what reservations hold."""

from dataclasses import dataclass
from typing import Any

from benchmarks import stock
from benchmarks.guest.put_stock import put


@dataclass
class Matched:
    """What an update says."""

    matched_count: int


class OneProduct:
    """A collection with one document; somebody reserves one piece before the first updates."""

    def __init__(self, document: dict[str, Any], reservations: int = 0) -> None:
        self.document = document
        self._reservations = reservations

    def find_one(self, condition: dict[str, Any]) -> dict[str, Any] | None:
        return dict(self.document) if condition["_id"] == self.document["_id"] else None

    def update_one(self, condition: dict[str, Any], change: dict[str, Any]) -> Matched:
        if self._reservations:
            self._reservations -= 1
            hold = {f"hold-{self._reservations}": {"quantity": 1}}
            self.document["holds"] = self.document["holds"] | hold
            self.document["stock"] -= 1
        if any(self.document[name] != value for name, value in condition.items()):
            return Matched(0)
        self.document.update(change["$set"])
        return Matched(1)


def product(**numbers: Any) -> dict[str, Any]:
    return {"_id": "Linux", "delivered": 1_000_000, "stock": 900_000, "holds": {}, **numbers}


def test_more_than_there_was_is_sold_and_still_all_is_put_back() -> None:
    products = OneProduct(product())

    assert put(products, "Linux", 240)
    assert (products.document["delivered"], products.document["stock"]) == (240, 240)


def test_what_is_held_is_not_on_sale_a_second_time() -> None:
    products = OneProduct(product(holds={"a": {"quantity": 2}, "b": {"quantity": 3}}))

    assert put(products, "Linux", 240)
    assert products.document["stock"] == 235


def test_a_reservation_at_the_same_moment_is_counted() -> None:
    products = OneProduct(product(), reservations=3)

    assert put(products, "Linux", 240)
    assert products.document["stock"] == 237


def test_what_is_right_is_left_alone() -> None:
    products = OneProduct(product(delivered=240, stock=17))

    assert not put(products, "Linux", 240)
    assert products.document["stock"] == 17
    assert not put(products, "Another", 240)


def test_the_command_names_every_product_and_no_secret() -> None:
    shipped = stock.shipped()

    assert shipped["Linux"] > 0
    said = stock.command(shipped)
    assert all(sku in said for sku in shipped)
    assert "PASS" not in said
