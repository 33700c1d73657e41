"""The HTTP interface of payment: answers, problem documents, metrics and documentation."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from skillupworks.runtime.health import Readiness
from skillupworks.shop.payment_api import Parts, create_app
from skillupworks.shop.sessions import SESSION_COOKIE
from skillupworks.shop.webhook import Signer, Webhook

from .cart_stubs import MemorySessions
from .payment_shop import BODY, Shop
from .payment_stubs import DECLINED, PENDING, TIMEOUT

SECRET = "sixteen characters"
ADDRESS = {"name": "Asha Rao", "street": "12 Hill Road", "phone": "+91 98200 12345"}


@pytest.fixture
def shop(events: list[Any]) -> Shop:
    """Return a shop that nobody has bought at."""
    del events  # captured, so that requests do not print
    return Shop()


@pytest.fixture
def sessions() -> MemorySessions:
    """Return the sessions of alice and bob."""
    return MemorySessions()


@pytest.fixture
def broker_problem() -> list[str | None]:
    """Return what is wrong with the broker, to be changed."""
    return [None]


@pytest.fixture
def client(
    shop: Shop, sessions: MemorySessions, broker_problem: list[str | None]
) -> Iterator[TestClient]:
    """Return a client of the application of that shop, who is alice."""
    readiness = Readiness(
        checks={"mysql": shop.store.check}, degraded={"outbox": lambda: broker_problem[0]}
    )
    parts = Parts(
        checkout=shop.checkout,
        store=shop.store,
        orders=shop.store,
        sessions=sessions,
        webhook=Webhook(shop.store, shop.settlement),
        signer=Signer(SECRET),
    )
    app = create_app(parts, readiness, shop.registry)
    with TestClient(app, raise_server_exceptions=False) as client:
        client.headers["Authorization"] = "Bearer token-alice"
        yield client


BOB = {"Authorization": "Bearer token-bob"}


def pay(client: TestClient, body: Any = None, key: str | None = "key-1") -> Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post("/payments", json=BODY if body is None else body, headers=headers)


def with_card(number: str) -> dict[str, Any]:
    return BODY | {"card": {"number": number}}


def call_webhook(
    client: TestClient, payment_id: str, state: str = "captured", **headers: str
) -> Response:
    body = json.dumps({"paymentId": payment_id, "state": state}).encode()
    signed = {"Gateway-Signature": Signer(SECRET).sign(body)} | headers
    return client.post("/webhooks/gateway", content=body, headers=signed)


def assert_problem(response: Response, status: int, *fields: str, code: str | None = None) -> None:
    """Check that a response is a problem document that names exactly these fields."""
    problem = response.json()
    assert response.status_code == status, problem
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem.get("code") == code
    assert {"type", "title", "detail", "instance"} <= problem.keys()
    assert list(fields) == [error["field"] for error in problem.get("errors", [])]
    assert all(field in problem["detail"] for field in fields)


def test_a_payment_is_created(client: TestClient) -> None:
    response = pay(client)

    answer = response.json()
    assert response.status_code == 201
    assert (2581.15, 258115, "INR", "paid") == (
        answer["total"],
        answer["totalMinor"],
        answer["currency"],
        answer["state"],
    )
    assert answer["orderId"].startswith("ORD-")
    assert answer["paymentId"].startswith("pay_")
    shipping = {"sku": "Shipping Cost", "name": "Shipping Cost", "price": 582.15, "quantity": 1}
    assert shipping in answer["items"]


def test_the_same_request_again_has_the_same_status_and_body(client: TestClient) -> None:
    first, second = pay(client), pay(client)

    assert (first.status_code, first.content) == (second.status_code, second.content)


def test_the_same_key_with_another_body_is_refused(client: TestClient) -> None:
    pay(client)

    response = pay(client, BODY | {"sessionId": "another"})

    assert_problem(response, 422, "Idempotency-Key")


@pytest.mark.parametrize("key", [None, "", "k" * 256, "tab\tbed"])
def test_a_missing_or_wrong_key_is_a_bad_request_that_names_the_header(
    client: TestClient, key: str | None
) -> None:
    assert_problem(pay(client, key=key), 400, "Idempotency-Key")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"items": [{"sku": "Nope", "quantity": 1}]}, "items[0].sku"),
        ({"items": [{"sku": "Linux", "quantity": 0}]}, "items[0].quantity"),
        ({"items": [{"sku": "Linux", "quantity": -1}]}, "items[0].quantity"),
        ({"items": [{"sku": "Linux", "quantity": 10**30}]}, "items[0].quantity"),
        ({"items": [{"sku": "Linux", "quantity": 1.5}]}, "items[0].quantity"),
        ({"items": [{"sku": "Linux", "quantity": "1"}]}, "items[0].quantity"),
        ({"items": [{"sku": "Linux", "quantity": True}]}, "items[0].quantity"),
        ({"items": [{"sku": "Linux"}]}, "items[0].quantity"),
        ({"items": []}, "items"),
        ({"items": [{"sku": "Linux", "quantity": 1}] * 51}, "items"),
        ({"items": "Linux"}, "items"),
        ({"sessionId": "two\nlines"}, "sessionId"),
        ({"userId": "bob"}, "userId"),
        ({"shipping": {"city": 1}}, "shipping.city"),
        ({"shipping": {"city": 10**30}}, "shipping.city"),
        ({"shipping": {}}, "shipping"),
        ({"shipping": {"city": 1277333, "method": "standard"}}, "shipping"),
        ({"card": None}, "card"),
        ({"card": {}}, "card.number"),
        ({"card": {"number": "4242 4242 4242 4241"}}, "card.number"),
        ({"card": {"number": "42"}}, "card.number"),
        ({"card": {"number": "٤" * 16}}, "card.number"),
        ({"card": {"number": 4242424242424242}}, "card.number"),
        ({"expectedTotalMinor": -1}, "expectedTotalMinor"),
        ({"shipping": {"method": "rocket"}}, "shipping.method"),
        ({"shipping": {"method": "standard", "address": ADDRESS}}, "shipping.address"),
        (
            {"shipping": {"city": 1277333, "address": ADDRESS | {"phone": "-"}}},
            "shipping.address.phone",
        ),
    ],
)
def test_a_wrong_field_is_named(client: TestClient, changes: dict[str, Any], field: str) -> None:
    assert_problem(pay(client, BODY | changes), 422, field)


def test_several_wrong_fields_are_named_together(client: TestClient) -> None:
    body = {"sessionId": "s", "items": [{"sku": "Linux", "quantity": 0}]}

    assert_problem(pay(client, body), 422, "items[0].quantity", "card")


@pytest.mark.parametrize("content", [b"", b"{not json", b"\xff"])
def test_a_body_that_is_no_json_is_a_bad_request(client: TestClient, content: bytes) -> None:
    headers = {"Idempotency-Key": "key", "Content-Type": "application/json"}

    response = client.post("/payments", content=content, headers=headers)

    assert response.status_code in (400, 422)
    assert response.headers["content-type"] == "application/problem+json"


def test_another_content_type_is_not_supported(client: TestClient) -> None:
    headers = {"Idempotency-Key": "key", "Content-Type": "text/plain"}

    response = client.post("/payments", content=json.dumps(BODY), headers=headers)

    assert_problem(response, 415)


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large_is_refused(client: TestClient, announced: bool) -> None:  # noqa: FBT001
    def chunks() -> Iterator[bytes]:
        for _ in range(70):
            yield b" " * 1024

    content = b" " * 70 * 1024 if announced else chunks()
    headers = {"Idempotency-Key": "key", "Content-Type": "application/json"}

    assert_problem(client.post("/payments", content=content, headers=headers), 413)


def test_a_payment_and_its_order_can_be_read(client: TestClient, shop: Shop) -> None:
    created = pay(client).json()

    assert client.get(f"/payments/{created['paymentId']}").json() == created
    order = client.get(f"/orders/{created['orderId']}").json()
    assert ("paid", None) == (order["state"], order["processedAt"])
    assert (created["total"], created["items"]) == (order["total"], order["items"])

    shop.store.processed.add(created["orderId"])
    order = client.get(f"/orders/{created['orderId']}").json()
    assert order["state"] == "processed"
    assert order["processedAt"]


@pytest.mark.parametrize("path", ["/payments/pay_none", "/orders/ORD-0", "/nothing"])
def test_what_does_not_exist_is_a_problem_document(client: TestClient, path: str) -> None:
    assert_problem(client.get(path), 404)


def test_a_method_that_a_route_has_not_is_a_problem_document(client: TestClient) -> None:
    assert_problem(client.delete("/payments"), 405)


def test_without_the_database_the_client_is_told_to_come_back(
    client: TestClient, shop: Shop, events: list[Any]
) -> None:
    shop.store.broken = True

    response = pay(client)

    assert_problem(response, 503)
    assert response.headers["retry-after"] == "5"
    assert [event["error"] for event in events] == ["MySQL: away"]
    ready = client.get("/ready")
    assert (503, "MySQL: away") == (ready.status_code, ready.json()["checks"]["mysql"])
    assert client.get("/health").status_code == 200


def test_with_a_full_outbox_the_client_is_told_to_come_back(client: TestClient, shop: Shop) -> None:
    paid = pay(client)
    shop.full = True

    response = pay(client, key="key-2")

    assert_problem(response, 503)
    assert response.headers["retry-after"] == "5"
    assert "Idempotency-Key" in response.json()["detail"]
    assert pay(client).content == paid.content


def test_without_the_broker_orders_are_still_taken(
    client: TestClient, broker_problem: list[str | None]
) -> None:
    broker_problem[0] = "Unable to connect to RabbitMQ at 10.0.0.2: Connection refused"

    assert pay(client).status_code == 201
    ready = client.get("/ready")
    assert (200, "degraded") == (ready.status_code, ready.json()["status"])
    assert ready.json()["checks"]["outbox"] == broker_problem[0]


def test_an_error_in_the_program_is_a_problem_document_too(
    client: TestClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shop.store, "begin", lambda *_: 1 / 0)

    assert_problem(pay(client), 500)


def test_each_request_is_one_event_with_its_order(client: TestClient, events: list[Any]) -> None:
    order_id = pay(client).json()["orderId"]
    pay(client)
    client.get("/health")

    assert [
        ("POST /payments 201", order_id, "paid"),
        ("POST /payments 201", order_id, "repeated"),
    ] == [(event["event"], event["order_id"], event["outcome"]) for event in events]
    assert all(event["duration_ms"] >= 0 for event in events)


def test_requests_are_counted_by_route(client: TestClient) -> None:
    pay(client)
    client.get("/orders/ORD-1")
    client.get("/nothing")

    text = client.get("/metrics").text

    total = "skillupworks_http_requests_total"
    assert f'{total}{{method="POST",route="/payments",status="201"}} 1.0' in text
    assert f'{total}{{method="GET",route="/orders/{{orderId}}",status="404"}} 1.0' in text
    assert f'{total}{{method="GET",route="unknown",status="404"}} 1.0' in text


def test_the_documentation_is_complete_and_loads_nothing_from_elsewhere(
    client: TestClient,
) -> None:
    page = client.get("/docs").text
    assert "https://" not in page.replace("https://www.w3.org", "")
    document = client.get("/openapi.json").json()
    assert set(document["paths"]["/payments"]["post"]["responses"]) == {
        *("201", "202", "400", "401", "402", "403", "409", "413", "415", "422", "503")
    }
    assert "Problem" in document["components"]["schemas"]
    assert "HTTPValidationError" not in json.dumps(document)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/payments"),
        ("GET", "/payments/pay_none"),
        ("GET", "/orders/ORD-0"),
        ("GET", "/orders"),
    ],
)
def test_nobody_is_answered_without_a_session(client: TestClient, method: str, path: str) -> None:
    for headers in ({"Authorization": "Bearer token-nobody"}, {"Authorization": ""}):
        response = client.request(
            method, path, json=BODY, headers=headers | {"Idempotency-Key": "key-1"}
        )
        assert_problem(response, 401)


def test_a_browser_has_to_mean_it(client: TestClient, shop: Shop) -> None:
    del client.headers["Authorization"]
    client.cookies.set(SESSION_COOKIE, "token-alice")

    assert_problem(pay(client), 403, "X-Requested-With")
    assert shop.store.rows == {}
    client.headers["X-Requested-With"] = "shop"
    assert pay(client).status_code == 201


def test_without_redis_the_client_is_told_to_come_back(
    client: TestClient, sessions: MemorySessions
) -> None:
    sessions.problem = "Redis: away"

    assert_problem(pay(client), 503)


def test_what_others_have_ordered_is_as_if_it_was_not_there(client: TestClient) -> None:
    created = pay(client).json()

    for path in (
        f"/payments/{created['paymentId']}",
        f"/orders/{created['orderId']}",
        "/orders?userId=alice",
    ):
        assert client.get(path).status_code == 200
        assert_problem(client.get(path, headers=BOB), 404)
    assert client.get("/orders", headers=BOB).json() == {"orders": [], "next": None}
    again = client.post("/payments", json=BODY, headers=BOB | {"Idempotency-Key": "key-1"})
    assert_problem(again, 422, "Idempotency-Key")


def test_orders_are_listed_newest_first_and_page_by_page(client: TestClient) -> None:
    made = []
    for number in range(5):
        made.append(pay(client, key=f"key-{number}").json()["orderId"])
        time.sleep(0.002)  # of two of the same millisecond any may be the newer one

    seen, cursor = [], ""
    while True:
        page = client.get(f"/orders?limit=2{cursor}").json()
        seen += [order["orderId"] for order in page["orders"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"

    assert seen == made[::-1]


@pytest.mark.parametrize("cursor", ["x", "MTIz", "%20", "é"])
def test_a_cursor_that_is_none_of_ours_is_refused(client: TestClient, cursor: str) -> None:
    assert_problem(client.get(f"/orders?cursor={cursor}"), 422, "cursor")


def test_where_an_order_goes_is_shown_with_it_to_its_owner_and_not_logged(
    client: TestClient, events: list[Any]
) -> None:
    where = {"city": 1277333, "address": ADDRESS}
    sent = pay(client, BODY | {"shipping": where})
    other = pay(client, key="key-2").json()["orderId"]

    place = {"city": "Bengaluru", "region": "Karnataka", "country": "IN", "postalCode": ""}
    path = f"/orders/{sent.json()['orderId']}"
    assert client.get(path).json()["shippingAddress"] == ADDRESS | place
    assert client.get(f"/orders/{other}").json()["shippingAddress"] is None
    assert "Hill Road" not in sent.text
    assert "Hill Road" not in client.get(path, headers=BOB).text
    assert not any(said in str(events) for said in ADDRESS.values())


def test_a_declined_card_is_a_problem_and_its_order_is_rejected(client: TestClient) -> None:
    for _ in range(2):
        assert_problem(pay(client, with_card(DECLINED)), 402, code="card_declined")

    (order,) = client.get("/orders").json()["orders"]
    assert (order["state"], order["reason"]) == ("rejected", "card_declined")


def test_a_charge_without_an_answer_is_accepted_and_known_when_it_is_repeated(
    client: TestClient, shop: Shop
) -> None:
    first, second = pay(client, with_card(TIMEOUT)), pay(client, with_card(TIMEOUT))

    assert (first.status_code, first.json()["state"]) == (202, "accepted")
    assert (second.status_code, second.json()["state"]) == (201, "paid")
    assert first.json()["orderId"] == second.json()["orderId"]
    assert len(shop.gateway.charged()) == 1


def test_the_webhook_settles_what_the_bank_decides_later_once(
    client: TestClient, shop: Shop
) -> None:
    payment = pay(client, with_card(PENDING)).json()
    shop.gateway.decide()

    for _ in range(2):
        assert call_webhook(client, payment["paymentId"]).status_code == 204

    assert client.get(f"/payments/{payment['paymentId']}").json()["state"] == "paid"
    assert len(shop.store.messages) == 1
    # and no longer takes back what it has said
    call_webhook(client, payment["paymentId"], "declined")
    assert pay(client, with_card(PENDING)).status_code == 201


def test_a_webhook_that_is_not_the_gateways_changes_nothing(client: TestClient, shop: Shop) -> None:
    payment = pay(client, with_card(PENDING)).json()["paymentId"]
    body = json.dumps({"paymentId": payment, "state": "captured"}).encode()
    old = Signer(SECRET, clock=lambda: time.time() - 301).sign(body)
    for signature in ("", "t=1,v1=" + "0" * 64, old, Signer("another secret").sign(body)):
        response = call_webhook(client, payment, **{"Gateway-Signature": signature})
        assert_problem(response, 401)
    assert client.post("/webhooks/gateway", content=body).status_code == 401

    assert shop.store.messages == []


def test_a_webhook_for_a_payment_that_is_not_known_or_wrong_is_refused(
    client: TestClient,
) -> None:
    assert_problem(call_webhook(client, "pay_none"), 404)
    assert_problem(call_webhook(client, "pay_none", "lost"), 422, "state")


def test_prices_that_were_sent_are_ignored_and_noted(client: TestClient, events: list[Any]) -> None:
    items = [{"sku": "Linux", "quantity": 1, "price": 1, "priceMinor": 1, "note": "x"}]

    answer = pay(client, BODY | {"items": items, "total": 1}).json()

    assert answer["totalMinor"] == 258115
    assert events[0]["ignored"] == "total,price,priceMinor"


def test_of_a_card_nothing_is_kept_but_its_last_digits(
    client: TestClient, shop: Shop, events: list[Any]
) -> None:
    card = {"number": "4000-0566 5566 5556", "expiry": "12/29", "cvc": "9x7"}

    pay(client, BODY | {"card": card})
    pay(client, BODY | {"card": card | {"number": "4000056655665557"}}, key="key-2")

    (row,) = shop.store.rows.values()
    assert row.attempt.last4 == "5556"
    kept = f"{shop.store.rows} {shop.store.messages} {events}"
    assert not any(secret in kept for secret in ("40000566", "4000-0566", "12/29", "9x7"))


def test_another_expiry_is_the_same_request(client: TestClient, shop: Shop) -> None:
    first = pay(client)
    second = pay(client, BODY | {"card": BODY["card"] | {"expiry": "12/29", "cvc": "1"}})

    assert first.content == second.content
    assert len(shop.gateway.charges) == 1
