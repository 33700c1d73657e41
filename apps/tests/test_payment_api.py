"""The HTTP interface of payment: answers, problem documents, metrics and documentation."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from prometheus_client import CollectorRegistry

from skillupworks.runtime.health import Readiness
from skillupworks.shop.checkout import Checkout
from skillupworks.shop.payment_api import create_app

from .stubs import MemoryPaymentStore
from .test_checkout import PRODUCTS

BODY: dict[str, Any] = {
    "sessionId": "session-12345",
    "userId": "507f1f77bcf86cd799439011",
    "items": [{"sku": "Linux", "quantity": 1}],
    "shipping": {"method": "standard"},
}


@pytest.fixture
def store() -> MemoryPaymentStore:
    """Return an empty store."""
    return MemoryPaymentStore()


@pytest.fixture
def broker_problem() -> list[str | None]:
    """Return what is wrong with the broker, to be changed."""
    return [None]


@pytest.fixture
def full() -> list[str]:
    """Return what fills the outbox: nothing yet."""
    return []


@pytest.fixture
def client(
    store: MemoryPaymentStore,
    broker_problem: list[str | None],
    full: list[str],
    events: list[Any],
) -> Iterator[TestClient]:
    """Return a client of the application on that store."""
    del events  # captured, so that requests do not print
    readiness = Readiness(
        checks={"mysql": store.check}, degraded={"outbox": lambda: broker_problem[0]}
    )
    checkout = Checkout(store, PRODUCTS, lambda: None, lambda: bool(full))
    app = create_app(checkout, store, readiness, CollectorRegistry())
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def pay(client: TestClient, body: Any = None, key: str | None = "key-1") -> Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post("/payments", json=BODY if body is None else body, headers=headers)


def assert_problem(response: Response, status: int, *fields: str) -> None:
    """Check that a response is a problem document that names exactly these fields."""
    problem = response.json()
    assert response.status_code == status, problem
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status
    assert {"type", "title", "detail", "instance"} <= problem.keys()
    assert list(fields) == [error["field"] for error in problem.get("errors", [])]
    assert all(field in problem["detail"] for field in fields)


def test_a_payment_is_created(client: TestClient) -> None:
    response = pay(client)

    answer = response.json()
    assert response.status_code == 201
    assert (2500, 250000, "INR", "paid") == (
        answer["total"],
        answer["totalMinor"],
        answer["currency"],
        answer["state"],
    )
    assert answer["orderId"].startswith("ORD-")
    assert answer["paymentId"].startswith("pay_")
    shipping = {"sku": "Shipping Cost", "name": "Shipping Cost", "price": 501, "quantity": 1}
    assert shipping in answer["items"]


def test_the_same_request_again_has_the_same_status_and_body(client: TestClient) -> None:
    first, second = pay(client), pay(client)

    assert (first.status_code, first.content) == (second.status_code, second.content)


def test_the_same_key_with_another_body_is_refused(client: TestClient) -> None:
    pay(client)

    response = pay(client, BODY | {"userId": "somebody else"})

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
        ({"userId": None}, "userId"),
        ({"shipping": {"method": "rocket"}}, "shipping.method"),
    ],
)
def test_a_wrong_field_is_named(client: TestClient, changes: dict[str, Any], field: str) -> None:
    assert_problem(pay(client, BODY | changes), 422, field)


def test_several_wrong_fields_are_named_together(client: TestClient) -> None:
    body = {"sessionId": "s", "items": [{"sku": "Linux", "quantity": 0}]}

    assert_problem(pay(client, body), 422, "userId", "items[0].quantity")


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


def test_a_payment_and_its_order_can_be_read(client: TestClient, store: MemoryPaymentStore) -> None:
    created = pay(client).json()

    assert client.get(f"/payments/{created['paymentId']}").json() == created
    order = client.get(f"/orders/{created['orderId']}").json()
    assert ("paid", None) == (order["state"], order["processedAt"])
    assert (created["total"], created["items"]) == (order["total"], order["items"])

    store.processed.add(created["orderId"])
    order = client.get(f"/orders/{created['orderId']}").json()
    assert order["state"] == "processed"
    assert order["processedAt"]


@pytest.mark.parametrize("path", ["/payments/pay_none", "/orders/ORD-0", "/nothing"])
def test_what_does_not_exist_is_a_problem_document(client: TestClient, path: str) -> None:
    assert_problem(client.get(path), 404)


def test_a_method_that_a_route_has_not_is_a_problem_document(client: TestClient) -> None:
    assert_problem(client.delete("/payments"), 405)


def test_without_the_database_the_client_is_told_to_come_back(
    client: TestClient, store: MemoryPaymentStore, events: list[Any]
) -> None:
    store.broken = True

    response = pay(client)

    assert_problem(response, 503)
    assert response.headers["retry-after"] == "5"
    assert [event["error"] for event in events] == ["MySQL: away"]
    ready = client.get("/ready")
    assert (503, "MySQL: away") == (ready.status_code, ready.json()["checks"]["mysql"])
    assert client.get("/health").status_code == 200


def test_with_a_full_outbox_the_client_is_told_to_come_back(
    client: TestClient, full: list[str]
) -> None:
    paid = pay(client)
    full.append("of orders")

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
    client: TestClient, store: MemoryPaymentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "add", lambda *_: 1 / 0)

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
        *("201", "400", "413", "415", "422", "503")
    }
    assert "Problem" in document["components"]["schemas"]
    assert "HTTPValidationError" not in json.dumps(document)
