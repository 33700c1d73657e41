"""The shop's HTTP interface: what it accepts, and how it says what it does not."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.helpers.database import Database
from tests.helpers.shop import ADDRESS, MUMBAI, Json, Shop, order_of

PROBLEM = "application/problem+json"


def changed(**fields: object) -> Json:
    """Return a good order with these fields changed."""
    return order_of("Linux") | fields


def with_item(**fields: object) -> Json:
    """Return a good order whose only item has these fields changed."""
    return changed(items=[{"sku": "Linux", "quantity": 1} | fields])


def sent_to(**fields: object) -> Json:
    """Return a good order whose address has these fields changed."""
    return changed(shipping={"city": MUMBAI, "address": ADDRESS | fields})


def without(field: str) -> Json:
    """Return a good order without one field."""
    return {name: value for name, value in order_of("Linux").items() if name != field}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (with_item(sku="Cobol"), "items[0].sku"),
        (with_item(sku=""), "items[0].sku"),
        (with_item(sku=7), "items[0].sku"),
        (with_item(sku="Linux'; DROP TABLE payments; --"), "items[0].sku"),
        (with_item(quantity=0), "items[0].quantity"),
        (with_item(quantity=-1), "items[0].quantity"),
        (with_item(quantity=100), "items[0].quantity"),
        (with_item(quantity=10**18), "items[0].quantity"),
        (with_item(quantity=10**30), "items[0].quantity"),
        (with_item(quantity=1.5), "items[0].quantity"),
        (with_item(quantity="1"), "items[0].quantity"),
        (with_item(quantity=True), "items[0].quantity"),
        (with_item(quantity=None), "items[0].quantity"),
        (changed(items=[{"sku": "Linux"}]), "items[0].quantity"),
        (changed(items=[{"sku": "Linux", "quantity": 60}] * 2), "items[1].quantity"),
        (changed(items=[]), "items"),
        (changed(items="Linux"), "items"),
        (changed(items=[{"sku": "Linux", "quantity": 1}] * 51), "items"),
        (without("items"), "items"),
        (without("card"), "card"),
        (changed(card={}), "card.number"),
        (changed(card={"number": "4242 4242 4242 4241"}), "card.number"),
        (changed(card={"number": "4242"}), "card.number"),
        (changed(card={"number": "0" * 20}), "card.number"),
        (changed(card={"number": 4242424242424242}), "card.number"),
        (changed(userId="507f1f77bcf86cd799439011"), "userId"),
        (changed(sessionId=""), "sessionId"),
        (changed(sessionId="a\nb"), "sessionId"),
        (changed(userId="u" * 1000), "userId"),
        (changed(shipping={"method": "rocket"}), "shipping.method"),
        (changed(shipping={"city": 1}), "shipping.city"),
        (changed(shipping={"city": "Mumbai"}), "shipping.city"),
        (changed(shipping={}), "shipping"),
        (changed(shipping={"city": MUMBAI, "address": {}}), "shipping.address.name"),
        (changed(shipping={"method": "standard", "address": ADDRESS}), "shipping.address"),
        (sent_to(name=" "), "shipping.address.name"),
        (sent_to(name="a\nb"), "shipping.address.name"),
        (sent_to(street="s" * 201), "shipping.address.street"),
        (sent_to(street="12\x00"), "shipping.address.street"),
        (sent_to(postalCode="<b>"), "shipping.address.postalCode"),
        (sent_to(phone="call me"), "shipping.address.phone"),
        (changed(expectedTotalMinor="1999"), "expectedTotalMinor"),
    ],
    ids=str,
)
def test_an_order_that_is_not_right_is_refused_by_the_fields_name(
    shop: Shop, body: Json, field: str
) -> None:
    """The answer is a problem document; nothing is charged."""
    answer = shop.post(body)
    problem = _problem(answer, 422)
    assert field in [error["field"] for error in problem["errors"]], problem
    assert field in problem["detail"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{'a': 1}", b"\xff\xfe", b"[" * 5000, b'{"items": NaN}'],
    ids=["nothing", "cut off", "not JSON", "not text", "deep", "not a number"],
)
def test_a_body_that_is_no_json_is_refused(shop: Shop, body: bytes) -> None:
    """A client's mistake: 4xx, never an error of the server."""
    answer = shop.post(body)
    assert answer.headers["content-type"] == PROBLEM
    assert answer.status_code in (400, 422), answer.text


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"null", b"7"])
def test_json_that_is_no_object_is_refused(shop: Shop, body: bytes) -> None:
    """The document names the body as the field at fault."""
    _problem(shop.post(body), 422)


def test_a_body_that_is_too_large_is_refused(shop: Shop) -> None:
    """Without reading a megabyte into memory first."""
    problem = _problem(shop.post(changed(userId="u" * 1_000_000)), 413)
    assert "larger than" in problem["detail"]


@pytest.mark.parametrize("key", [None, "k" * 256])
def test_an_order_needs_an_idempotency_key(shop: Shop, key: str | None) -> None:
    """Without one a repeated request could charge twice."""
    problem = _problem(shop.post(order_of("Linux"), key=key), 400)
    assert "Idempotency-Key" in problem["detail"]


def test_the_same_request_again_gets_the_same_answer_and_one_charge(
    shop: Shop, database: Database
) -> None:
    """Also when its fields come in another order."""
    key = str(uuid.uuid4())
    body = order_of("Linux", shipping=True)
    first = shop.post(body, key=key)
    second = shop.post(dict(reversed(body.items())), key=key)
    assert first.status_code == 201
    assert second.status_code == 201
    assert second.json() == first.json()
    assert _charges(database, key) == 1


def test_twenty_at_once_with_one_key_are_one_charge(shop: Shop, database: Database) -> None:
    """All of them are told of the one that won, or that it is being worked on."""
    key = str(uuid.uuid4())
    body = order_of("Linux")
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: shop.post(body, key=key), range(20)))
    assert 201 in {answer.status_code for answer in answers} <= {201, 202}
    assert len({answer.json()["orderId"] for answer in answers}) == 1
    assert _charges(database, key) == 1
    order_id = answers[0].json()["orderId"]
    shop.wait_until_processed(order_id)
    assert database.orders(order_id) == 1


def test_a_key_cannot_be_used_for_another_order(shop: Shop, database: Database) -> None:
    """It is refused by name, and the first charge stays the only one."""
    key = str(uuid.uuid4())
    assert shop.post(order_of("Linux"), key=key).status_code == 201
    problem = _problem(shop.post(order_of("Shell"), key=key), 422)
    assert problem["errors"][0]["field"] == "Idempotency-Key"
    assert _charges(database, key) == 1


def test_prices_come_from_the_product_list_and_never_from_the_client(shop: Shop) -> None:
    """A price, a name or a total in the request has no effect."""
    body = with_item(price=1, name="Cheap", priceMinor=1) | {"total": 1, "currency": "USD"}
    answer = shop.post(body)
    assert answer.status_code == 201
    placed = answer.json()
    assert placed["total"] == 1999
    assert placed["items"] == [
        {"sku": "Linux", "name": "Linux Administration", "price": 1999, "quantity": 1}
    ]


def test_an_answer_says_what_was_bought_and_where_to_look(shop: Shop) -> None:
    """The answer to an order, the payment and the order agree."""
    placed = shop.buy("Linux", "Linux", "MySQL", shipping=True)
    assert placed["total"] == 1999 * 2 + 1599.50 + 501
    assert placed["state"] in ("accepted", "paid")
    paid = shop.get(f"/payments/{placed['paymentId']}").json()
    order = shop.get(f"/orders/{placed['orderId']}").json()
    for field in ("paymentId", "orderId", "total"):
        assert placed[field] == paid[field] == order[field]
    assert order["state"] == "processed"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/payments/pay_unknown", 404),
        ("GET", "/orders/ORD-1", 404),
        ("GET", "/orders/%27%20OR%201%3D1", 404),
        ("GET", "/../etc/passwd", 404),
        ("DELETE", "/payments/pay_1", 405),
        ("GET", "/payments", 405),
    ],
)
def test_what_is_not_there_is_a_problem_document_too(
    shop: Shop, method: str, path: str, status: int
) -> None:
    """Unknown things, routes and methods."""
    problem = _problem(shop.request(method, path), status)
    assert problem["status"] == status


def test_the_interface_describes_itself(shop: Shop) -> None:
    """OpenAPI lists the routes, and /docs shows them."""
    paths = shop.get("/openapi.json").json()["paths"]
    assert {"/payments", "/payments/{paymentId}", "/orders/{orderId}"} <= set(paths)
    assert shop.get("/docs").status_code == 200


def _problem(answer: Any, status: int) -> Json:
    """Check that an answer is a problem document (RFC 9457); return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    problem: Json = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem


def _charges(database: Database, key: str) -> int:
    return database.count("payments.payments", f"idempotency_key = '{key}'")
