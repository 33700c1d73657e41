"""The HTTP interface of the catalogue: what it shows, reserves, and says to what is wrong."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from prometheus_client import CollectorRegistry

from skillupworks.runtime.health import Readiness
from skillupworks.shop import catalogue_client
from skillupworks.shop.catalogue_api import create_app
from skillupworks.shop.reservations import ReservationMetrics, Reservations

from .catalogue_stubs import MemoryProducts, MemoryReservations, product

ITEM: dict[str, Any] = {"sku": "Linux", "quantity": 1}


@pytest.fixture
def products() -> MemoryProducts:
    """Return a store of five products, two of which have the same name."""
    return MemoryProducts(
        product("Linux", "Linux Administration"),
        product("Git", "Git and Code Review", category="data"),
        product("Zurich", "Zürich"),
        product("Same-2", "same"),
        product("Same-1", "Same"),
    )


@pytest.fixture
def stock() -> MemoryReservations:
    """Return a store with five of each of two products."""
    return MemoryReservations(Linux=5, Git=5)


@pytest.fixture
def client(
    products: MemoryProducts, stock: MemoryReservations, events: list[Any]
) -> Iterator[TestClient]:
    """Return a client of the application on these."""
    del events  # captured, so that requests do not print
    registry = CollectorRegistry()
    reservations = Reservations(stock, ReservationMetrics(registry), seconds=900)
    readiness = Readiness(checks={"mongodb": products.check}, degraded={})
    app = create_app(products, reservations, readiness, registry, cache_seconds=10)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def skus(client: TestClient, query: str = "") -> list[str]:
    answer = client.get(f"/products?{query}")
    assert answer.status_code == 200, answer.text
    return [each["sku"] for each in answer.json()["products"]]


def reserve(client: TestClient, *items: dict[str, Any], order: str = "ORD-1") -> Response:
    return client.put(f"/reservations/{order}", json={"items": list(items) or [ITEM]})


def assert_problem(response: Response, status: int, *fields: str, code: str | None = None) -> None:
    """Check that a response is a problem document that names exactly these fields."""
    problem = response.json()
    assert response.status_code == status, problem
    assert response.headers["content-type"] == "application/problem+json"
    assert list(fields) == [error["field"] for error in problem.get("errors", [])]
    assert problem.get("code") == code
    assert "cache-control" not in response.headers


def test_a_product_is_shown_with_all_there_is_to_say(client: TestClient) -> None:
    assert client.get("/products/Git").json() == {
        "sku": "Git",
        "name": "Git and Code Review",
        "category": "data",
        "summary": "What there is to know about Git and Code Review.",
        "description": "One.\n\nTwo.",
        "price": 799.5,
        "priceMinor": 79_950,
        "currency": "INR",
        "stock": 5,
        "weightGrams": 300,
        "level": "beginner",
        "hours": 12,
        "picture": "Git.svg",
        "tags": ["ops"],
    }


def test_the_cart_understands_the_answer(client: TestClient) -> None:
    found = catalogue_client._read("Git", client.get("/products/Git").content)  # noqa: SLF001

    assert found == catalogue_client.Product("Git", "Git and Code Review", 79_950)


@pytest.mark.parametrize(
    "sku", ["Cobol", "linux", "s" * 5000, "%24where", "a%00b", "%7B%7D", "%F0"]
)
def test_a_product_that_is_not_sold_is_not_there(client: TestClient, sku: str) -> None:
    assert_problem(client.get(f"/products/{sku}"), 404)


def test_products_are_listed_by_name_without_their_descriptions(client: TestClient) -> None:
    assert skus(client) == ["Git", "Linux", "Same-1", "Same-2", "Zurich"]
    assert "description" not in client.get("/products").json()["products"][0]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("category=data", ["Git"]),
        ("category=nothing", []),
        ("category=", ["Git", "Linux", "Same-1", "Same-2", "Zurich"]),
        ("q=LINUX", ["Linux"]),
        ("q=zurich", ["Zurich"]),
        ("q=Z%C3%9CRICH", ["Zurich"]),
        ("q=code+GIT", ["Git"]),
        ("q=code+linux", []),
        ("q=linux&category=data", []),
        ("q=+", ["Git", "Linux", "Same-1", "Same-2", "Zurich"]),
    ],
)
def test_words_and_category_say_which(client: TestClient, query: str, expected: list[str]) -> None:
    assert skus(client, query) == expected


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 100])
def test_pages_have_each_product_once_whatever_their_size(client: TestClient, limit: int) -> None:
    found: list[str] = []
    cursor = ""
    while cursor is not None:
        page = client.get("/products", params={"limit": limit, "cursor": cursor}).json()
        assert 1 <= len(page["products"]) <= limit
        found += [each["sku"] for each in page["products"]]
        cursor = page["next"]

    assert found == ["Git", "Linux", "Same-1", "Same-2", "Zurich"]


def test_a_product_that_appears_between_two_pages_moves_none_of_the_others(
    client: TestClient, products: MemoryProducts
) -> None:
    first = client.get("/products?limit=2").json()
    products.products["Aaa"] = product("Aaa", "Aaa")
    del products.products["Linux"]

    assert skus(client, f"limit=9&cursor={first['next']}") == ["Same-1", "Same-2", "Zurich"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.5", "limit"),
        ("limit=many", "limit"),
        ("limit=", "limit"),
        ("cursor=nothing", "cursor"),
        ("cursor=%F0%9F%92%A5", "cursor"),
        ("cursor=MQ", "cursor"),
        ("cursor=" + "A" * 1001, "cursor"),
        ("q=" + "a" * 101, "q"),
        ("q=" + "a+" * 11, "q"),
        ("q=a%00b", "q"),
        ("q=a%0Ab", "q"),
        ("category=" + "a" * 65, "category"),
        ("category=%00", "category"),
    ],
)
def test_a_wrong_parameter_is_named(client: TestClient, query: str, field: str) -> None:
    assert_problem(client.get(f"/products?{query}"), 422, field)


def test_categories_are_listed(client: TestClient) -> None:
    assert client.get("/categories").json() == {
        "categories": [
            {"slug": "systems", "title": "Linux and Systems"},
            {"slug": "data", "title": "Data"},
        ]
    }


@pytest.mark.parametrize("path", ["/products", "/products/Linux", "/categories"])
def test_what_is_shown_may_be_kept_and_is_not_sent_twice(client: TestClient, path: str) -> None:
    answer = client.get(path)
    tag = answer.headers["etag"]
    assert answer.headers["cache-control"] == "public, max-age=10"

    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert again.headers["cache-control"] == "public, max-age=10"
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_another_stock_is_another_answer(client: TestClient, products: MemoryProducts) -> None:
    tag = client.get("/products/Linux").headers["etag"]
    products.products["Linux"] = product("Linux", "Linux Administration", stock=4)

    assert client.get("/products/Linux", headers={"If-None-Match": tag}).status_code == 200


def test_stock_is_reserved_sold_and_given_back(
    client: TestClient, stock: MemoryReservations
) -> None:
    answer = reserve(client, {"sku": "Linux", "quantity": 2}, ITEM, {"sku": "Git", "quantity": 1})
    assert answer.status_code == 200
    held = answer.json()
    assert held["orderId"] == "ORD-1"
    assert held["state"] == "held"
    items = [{"sku": "Git", "quantity": 1}, {"sku": "Linux", "quantity": 3}]
    costs = {"priceMinor": 79_950, "weightGrams": 300}
    names = [{"name": "Git and Code Review"}, {"name": "Linux Administration"}]
    assert held["items"] == [item | name | costs for item, name in zip(items, names, strict=True)]
    assert held["expiresAt"].endswith("Z")
    assert stock.stocks == {"Linux": 2, "Git": 4}

    sold = client.post("/reservations/ORD-1/commit")
    assert (sold.status_code, sold.json()) == (
        200,
        held | {"state": "committed", "items": items},
    )
    assert_problem(client.delete("/reservations/ORD-1"), 409, code="committed")

    reserve(client, order="ORD-2")
    assert client.delete("/reservations/ORD-2").status_code == 204
    assert client.delete("/reservations/ORD-2").status_code == 204
    assert stock.stocks == {"Linux": 2, "Git": 4}
    assert_problem(client.post("/reservations/ORD-2/commit"), 409, code="released")
    assert_problem(client.post("/reservations/ORD-3/commit"), 404)


def test_the_stock_of_several_orders_is_sold_in_one_request(client: TestClient) -> None:
    reserve(client, order="ORD-1")
    reserve(client, order="ORD-2")
    client.delete("/reservations/ORD-2")

    answer = client.post("/commits", json={"orderIds": ["ORD-2", "ORD-1", "ORD-3", "ORD-1"]})

    assert (answer.status_code, answer.json()) == (
        200,
        {
            "committed": ["ORD-1"],
            "refused": [
                {"orderId": "ORD-2", "code": "released"},
                {"orderId": "ORD-3", "code": "unknown"},
            ],
        },
    )
    for wrong, field in (
        ([], "orderIds"),
        (["ORD-1"] * 101, "orderIds"),
        (["ORD-1", "no/id"], "orderIds[1]"),
        ([1], "orderIds[0]"),
    ):
        assert_problem(client.post("/commits", json={"orderIds": wrong}), 422, field)


def test_too_little_stock_is_a_conflict_that_names_the_line(
    client: TestClient, stock: MemoryReservations
) -> None:
    answer = reserve(client, {"sku": "Git", "quantity": 1}, {"sku": "Linux", "quantity": 6})

    assert_problem(answer, 409, "items[1].quantity", code="out_of_stock")
    assert stock.stocks == {"Linux": 5, "Git": 5}


def test_a_product_that_is_not_sold_is_named_by_its_line(client: TestClient) -> None:
    assert_problem(reserve(client, ITEM, {"sku": "Cobol", "quantity": 1}), 422, "items[1].sku")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "items"),
        ({"items": []}, "items"),
        ({"items": {}}, "items"),
        ({"items": None}, "items"),
        ({"items": [{"sku": "Linux"}]}, "items[0].quantity"),
        ({"items": [ITEM | {"sku": ""}]}, "items[0].sku"),
        ({"items": [ITEM | {"sku": 7}]}, "items[0].sku"),
        ({"items": [ITEM | {"sku": {"$gt": ""}}]}, "items[0].sku"),
        ({"items": [ITEM | {"sku": "a\nb"}]}, "items[0].sku"),
        ({"items": [ITEM, ITEM | {"quantity": 0}]}, "items[1].quantity"),
        ({"items": [ITEM | {"quantity": -1}]}, "items[0].quantity"),
        ({"items": [ITEM | {"quantity": 100}]}, "items[0].quantity"),
        ({"items": [ITEM | {"quantity": 1.5}]}, "items[0].quantity"),
        ({"items": [ITEM | {"quantity": "1"}]}, "items[0].quantity"),
        ({"items": [ITEM | {"quantity": True}]}, "items[0].quantity"),
        ({"items": [ITEM] * 51}, "items"),
        ([], "body"),
    ],
    ids=str,
)
def test_a_wrong_field_is_named_and_nothing_is_reserved(
    client: TestClient, stock: MemoryReservations, body: object, field: str
) -> None:
    assert_problem(client.put("/reservations/ORD-1", json=body), 422, field)
    assert stock.reservations == {}


@pytest.mark.parametrize("order", ["a.b", "$where", "o" * 65, "%7B%7D", "a%0Ab", "ORD 1"])
def test_an_order_id_is_a_word(client: TestClient, order: str) -> None:
    assert_problem(reserve(client, order=order), 422, "orderId")
    assert_problem(client.delete(f"/reservations/{order}"), 422, "orderId")


def test_a_body_that_is_no_json_or_huge_is_refused(client: TestClient) -> None:
    headers = {"Content-Type": "application/json"}
    for content, status in ((b"{", 400), (b"\xff", 400), (b"[" * 70_000, 413)):
        answer = client.put("/reservations/ORD-1", content=content, headers=headers)
        assert answer.status_code == status
    assert client.put("/reservations/ORD-1", content=b"a=b").status_code == 415


def test_without_the_database_clients_are_asked_to_come_back(
    client: TestClient, products: MemoryProducts
) -> None:
    products.problem = "MongoDB: away"

    answer = client.get("/products/Linux")
    assert_problem(answer, 503)
    assert int(answer.headers["retry-after"]) > 0
    assert client.get("/ready").json()["checks"] == {"mongodb": "MongoDB: away"}
    assert client.get("/health").status_code == 200


def test_a_request_leaves_one_event_with_its_order_and_outcome(
    client: TestClient, events: list[Any]
) -> None:
    reserve(client)
    reserve(client, {"sku": "Linux", "quantity": 99}, order="ORD-2")

    told = [(event["order_id"], event["outcome"], event["status"]) for event in events]
    assert told == [("ORD-1", "held", 200), ("ORD-2", "refused", 409)]
    assert all("trace_id" in event for event in events)


def test_the_metrics_tell_the_outcomes(client: TestClient) -> None:
    reserve(client)
    client.post("/reservations/ORD-1/commit")

    metrics = client.get("/metrics").text
    assert 'skillupworks_reservations_total{outcome="held"} 1.0' in metrics
    assert 'skillupworks_reservations_total{outcome="committed"} 1.0' in metrics
    assert 'route="/reservations/{orderId}/commit"' in metrics
