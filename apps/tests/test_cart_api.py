"""The HTTP interface of the cart: whose it is, what it costs, and what it says to what is wrong."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from prometheus_client import CollectorRegistry

from skillupworks.runtime.health import Readiness
from skillupworks.shop.cart_api import create_app
from skillupworks.shop.carts import CartMetrics, Carts
from skillupworks.shop.sessions import GUEST_COOKIE, SESSION_COOKIE

from .cart_stubs import MemoryCarts, MemoryCatalogue, MemorySessions

ITEM: dict[str, Any] = {"sku": "Linux", "quantity": 1}


@pytest.fixture
def store() -> MemoryCarts:
    """Return a store without carts."""
    return MemoryCarts()


@pytest.fixture
def sessions() -> MemorySessions:
    """Return the sessions of two customers and a guest."""
    return MemorySessions()


@pytest.fixture
def catalogue() -> MemoryCatalogue:
    """Return a catalogue of two products."""
    return MemoryCatalogue()


@pytest.fixture
def client(
    store: MemoryCarts, sessions: MemorySessions, catalogue: MemoryCatalogue, events: list[Any]
) -> Iterator[TestClient]:
    """Return Alice's client of the application on these."""
    del events  # captured, so that requests do not print
    registry = CollectorRegistry()
    readiness = Readiness(checks={"redis": store.check}, degraded={"catalogue": catalogue.check})
    carts = Carts(store, catalogue, CartMetrics(registry))
    app = create_app(carts, sessions, readiness, registry)
    headers = {"Authorization": "Bearer token-alice"}
    with TestClient(app, raise_server_exceptions=False, headers=headers) as client:
        yield client


def add(client: TestClient, sku: str = "Linux", quantity: int = 1) -> Response:
    return client.post("/carts/alice/items", json={"sku": sku, "quantity": quantity})


def assert_problem(response: Response, status: int, *fields: str) -> None:
    """Check that a response is a problem document that names exactly these fields."""
    problem = response.json()
    assert response.status_code == status, problem
    assert response.headers["content-type"] == "application/problem+json"
    assert list(fields) == [error["field"] for error in problem.get("errors", [])]


def test_a_cart_that_nothing_was_put_into_is_empty(client: TestClient) -> None:
    assert client.get("/carts/alice").json() == {
        "id": "alice",
        "items": [],
        "total": 0,
        "totalMinor": 0,
        "currency": "INR",
        "shipping": None,
        "notes": [],
    }


def test_lines_have_the_catalogues_names_and_prices(client: TestClient) -> None:
    add(client, "Linux", 2)
    answer = add(client, "Git", 1)

    assert answer.status_code == 200
    assert answer.json()["items"] == [
        {
            "sku": "Linux",
            "name": "Linux Administration",
            "price": 1999,
            "priceMinor": 199_900,
            "quantity": 2,
            "note": None,
        },
        {
            "sku": "Git",
            "name": "Git and Code Review",
            "price": 799.5,
            "priceMinor": 79_950,
            "quantity": 1,
            "note": None,
        },
    ]
    assert (answer.json()["total"], answer.json()["totalMinor"]) == (4797.5, 479_750)
    assert client.get("/carts/alice").json() == answer.json()


def test_a_price_from_the_client_has_no_effect(client: TestClient) -> None:
    item = ITEM | {"price": 1, "priceMinor": 1, "name": "Cheap", "total": 1}

    answer = client.post("/carts/alice/items", json=item).json()

    assert answer["items"][0]["name"] == "Linux Administration"
    assert answer["totalMinor"] == 199_900


def test_adding_adds_to_what_is_there_and_changing_replaces_it(client: TestClient) -> None:
    add(client, quantity=2)
    assert add(client, quantity=3).json()["items"][0]["quantity"] == 5

    changed = client.patch("/carts/alice/items/Linux", json={"quantity": 4})

    assert changed.json()["items"][0]["quantity"] == 4


def test_a_line_that_is_not_there_cannot_be_changed(client: TestClient) -> None:
    assert_problem(client.patch("/carts/alice/items/Linux", json={"quantity": 4}), 404)


def test_removing_is_no_error_the_second_time(client: TestClient) -> None:
    add(client)
    add(client, "Git")

    for _ in range(2):
        answer = client.delete("/carts/alice/items/Linux")
        assert answer.status_code == 200
        assert [line["sku"] for line in answer.json()["items"]] == ["Git"]


def test_an_emptied_cart_is_empty(client: TestClient) -> None:
    add(client)

    assert client.delete("/carts/alice").status_code == 204
    assert client.delete("/carts/alice").status_code == 204
    assert client.get("/carts/alice").json()["items"] == []


def test_a_cart_knows_where_it_is_shipped_to(client: TestClient) -> None:
    answer = client.put("/carts/alice/shipping", json={"city": 1275339})

    assert answer.json()["shipping"] == {"city": 1275339, "method": "standard"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sku": ""}, "sku"),
        ({"sku": 7}, "sku"),
        ({"sku": None}, "sku"),
        ({"sku": "s" * 65}, "sku"),
        ({"sku": "two\nlines"}, "sku"),
        ({"sku": "a/b"}, "sku"),
        ({"sku": ".."}, "sku"),
        ({"sku": "Cobol"}, "sku"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": -1}, "quantity"),
        ({"quantity": 100}, "quantity"),
        ({"quantity": 10**30}, "quantity"),
        ({"quantity": 1.5}, "quantity"),
        ({"quantity": "1"}, "quantity"),
        ({"quantity": True}, "quantity"),
        ({"quantity": None}, "quantity"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_changed(
    client: TestClient, store: MemoryCarts, changes: dict[str, Any], field: str
) -> None:
    assert_problem(client.post("/carts/alice/items", json=ITEM | changes), 422, field)
    assert store.carts == {}


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("PATCH", "items/Linux", {"quantity": 0}, "quantity"),
        ("PATCH", "items/Linux", {"quantity": 100}, "quantity"),
        ("PATCH", "items/Linux", {}, "quantity"),
        ("PUT", "shipping", {}, "city"),
        ("PUT", "shipping", {"city": 0}, "city"),
        ("PUT", "shipping", {"city": "Mumbai"}, "city"),
        ("PUT", "shipping", {"city": 2**31}, "city"),
        ("PUT", "shipping", {"city": 1, "method": ""}, "method"),
        ("POST", "merge", {}, "guestToken"),
        ("POST", "merge", {"guestToken": 1}, "guestToken"),
        ("POST", "merge", {"guestToken": "token-nobody"}, "guestToken"),
        ("POST", "merge", {"guestToken": "token-bob"}, "guestToken"),
        ("POST", "merge", {"guestToken": "token-alice"}, "guestToken"),
    ],
)
def test_what_is_wrong_with_other_requests_is_named(
    client: TestClient, method: str, path: str, body: dict[str, Any], field: str
) -> None:
    assert_problem(client.request(method, f"/carts/alice/{path}", json=body), 422, field)


@pytest.mark.parametrize(("limit", "field"), [("lines", "sku"), ("quantity", "quantity")])
def test_what_does_not_fit_is_refused_by_its_field(
    client: TestClient, store: MemoryCarts, limit: str, field: str
) -> None:
    store.limit = limit

    assert_problem(add(client), 422, field)


def test_a_body_that_is_no_json_or_too_large_is_refused(client: TestClient) -> None:
    json = {"Content-Type": "application/json"}

    assert_problem(client.post("/carts/alice/items", content=b"{", headers=json), 400)
    assert_problem(client.post("/carts/alice/items", content=b"text"), 415)
    assert_problem(
        client.post("/carts/alice/items", content=b" " * 70_000 + b"{}", headers=json), 413
    )


ROUTES = [
    ("GET", "/carts/{}", None),
    ("DELETE", "/carts/{}", None),
    ("POST", "/carts/{}/items", ITEM),
    ("PATCH", "/carts/{}/items/Linux", {"quantity": 1}),
    ("DELETE", "/carts/{}/items/Linux", None),
    ("PUT", "/carts/{}/shipping", {"city": 1}),
    ("POST", "/carts/{}/merge", {"guestToken": "token-guest-1"}),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_another_ones_cart_is_not_found_whether_it_is_there_or_not(
    client: TestClient, store: MemoryCarts, method: str, path: str, body: Any
) -> None:
    store.carts = {"bob": {"Linux": 7}, "guest-1": {"Git": 1}}

    theirs = client.request(method, path.format("bob"), json=body)
    nobodys = client.request(method, path.format("carol"), json=body)

    assert_problem(theirs, 404)
    assert theirs.json()["detail"].replace("bob", "carol") == nobodys.json()["detail"]
    assert store.carts == {"bob": {"Linux": 7}, "guest-1": {"Git": 1}}


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer token-carol", "Basic dG9rZW4tYWxpY2U="])
def test_without_a_session_there_is_no_cart(
    client: TestClient, store: MemoryCarts, header: str
) -> None:
    store.carts = {"alice": {"Linux": 7}}
    client.headers["Authorization"] = header

    for method, path, body in ROUTES:
        answer = client.request(method, path.format("alice"), json=body)
        assert_problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
    assert store.carts == {"alice": {"Linux": 7}}


def test_a_guests_cart_is_taken_over_once(client: TestClient, store: MemoryCarts) -> None:
    store.carts = {"alice": {"Linux": 1}, "guest-1": {"Linux": 2, "Git": 1}}

    for _ in range(2):
        answer = client.post("/carts/alice/merge", json={"guestToken": "token-guest-1"})
        assert answer.status_code == 200
        assert {line["sku"]: line["quantity"] for line in answer.json()["items"]} == {
            "Linux": 3,
            "Git": 1,
        }


def browser(client: TestClient, **cookies: str) -> TestClient:
    """Make a browser on the shop's own page of a client."""
    del client.headers["Authorization"]
    client.headers["X-Requested-With"] = "shop"
    client.cookies.update(cookies)
    return client


def test_a_browser_is_known_by_its_cookie(client: TestClient) -> None:
    browser(client, **{SESSION_COOKIE: "token-alice", GUEST_COOKIE: "token-guest-1"})

    assert add(client).status_code == 200
    assert client.get("/carts/alice").json()["items"][0]["quantity"] == 1
    assert client.get("/carts/guest-1").status_code == 404


def test_a_guests_browser_is_known_by_the_guests_cookie(client: TestClient) -> None:
    browser(client, **{GUEST_COOKIE: "token-guest-1"})

    assert client.post("/carts/guest-1/items", json=ITEM).status_code == 200


def test_a_browser_takes_the_guests_cart_over_by_its_cookies(
    client: TestClient, store: MemoryCarts
) -> None:
    store.carts = {"guest-1": {"Linux": 2}}
    browser(client, **{SESSION_COOKIE: "token-alice", GUEST_COOKIE: "token-guest-1"})

    assert client.post("/carts/alice/merge", json={}).status_code == 200
    assert store.carts == {"alice": {"Linux": 2}}


def test_what_another_site_makes_a_browser_send_changes_nothing(
    client: TestClient, store: MemoryCarts
) -> None:
    store.carts = {"alice": {"Linux": 7}}
    browser(client, **{SESSION_COOKIE: "token-alice", GUEST_COOKIE: "token-guest-1"})
    del client.headers["X-Requested-With"]

    for method, path, body in ROUTES:
        answer = client.request(method, path.format("alice"), json=body)
        if method == "GET":
            assert answer.status_code == 200
        else:
            assert_problem(answer, 403, "X-Requested-With")
    assert store.carts == {"alice": {"Linux": 7}}


def test_what_of_a_guests_cart_does_not_fit_is_said(client: TestClient, store: MemoryCarts) -> None:
    store.carts = {"guest-1": {"Linux": 99}}
    store.cut = ("Linux",)

    answer = client.post("/carts/alice/merge", json={"guestToken": "token-guest-1"})

    assert answer.json()["notes"][0].startswith("Linux: not all of the guest's cart fits")


def test_without_the_catalogue_there_is_a_cart_without_prices(
    client: TestClient, catalogue: MemoryCatalogue
) -> None:
    add(client)
    catalogue.away = True

    answer = add(client, "Git", 2)

    assert answer.status_code == 200
    body = answer.json()
    assert [(line["sku"], line["quantity"]) for line in body["items"]] == [("Linux", 1), ("Git", 2)]
    assert [(line["name"], line["priceMinor"]) for line in body["items"]] == [(None, None)] * 2
    assert (body["total"], body["totalMinor"]) == (None, None)
    assert body["notes"] == [
        "Linux: its price is not known at the moment",
        "Git: its price is not known at the moment",
    ]
    ready = client.get("/ready")
    assert (200, "degraded") == (ready.status_code, ready.json()["status"])


def test_what_is_not_sold_is_left_out_of_the_total_and_named(
    client: TestClient, catalogue: MemoryCatalogue
) -> None:
    add(client)
    add(client, "Git")
    del catalogue.products["Git"]

    answer = client.get("/carts/alice").json()

    assert answer["items"][0]["priceMinor"] == 199_900
    assert answer["items"][1]["note"] == "Git: is not sold"
    assert answer["notes"] == ["Git: is not sold"]
    assert answer["totalMinor"] == 199_900


def test_what_was_never_sold_and_came_in_while_the_catalogue_was_away_is_in_nobodys_way(
    client: TestClient, catalogue: MemoryCatalogue
) -> None:
    add(client)
    catalogue.away = True
    assert add(client, "Shipping Cost").json()["totalMinor"] is None
    catalogue.away = False

    answer = client.get("/carts/alice").json()
    assert (answer["totalMinor"], answer["notes"]) == (199_900, ["Shipping Cost: is not sold"])
    answer = client.delete("/carts/alice/items/Shipping%20Cost").json()
    assert (len(answer["items"]), answer["notes"]) == (1, [])


def test_without_redis_the_client_is_told_to_come_back(
    client: TestClient, store: MemoryCarts, sessions: MemorySessions
) -> None:
    store.problem = sessions.problem = "Redis: away"

    for method, path, body in ROUTES:
        answer = client.request(method, path.format("alice"), json=body)
        assert_problem(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
    assert client.get("/ready").status_code == 503
    assert client.get("/health").status_code == 200


def test_a_change_is_an_event_and_counted(client: TestClient, events: list[Any]) -> None:
    add(client)
    client.post("/carts/alice/merge", json={"guestToken": "token-guest-1"})

    assert [
        ("POST /carts/alice/items 200", "added"),
        ("POST /carts/alice/merge 200", "merged"),
    ] == [(event["event"], event["outcome"]) for event in events]
    assert "token-guest-1" not in str(events)
    text = client.get("/metrics").text
    assert 'skillupworks_cart_changes_total{change="added"} 1.0' in text
    assert 'skillupworks_cart_changes_total{change="merged"} 0.0' in text  # it was empty
    route = 'method="POST",route="/carts/{id}/items",status="200"'
    assert f"skillupworks_http_requests_total{{{route}}} 1.0" in text


def test_the_documentation_names_every_answer(client: TestClient) -> None:
    document = client.get("/openapi.json").json()

    assert {
        "/carts/{id}",
        "/carts/{id}/items",
        "/carts/{id}/items/{sku}",
        "/carts/{id}/shipping",
        "/carts/{id}/merge",
    } <= set(document["paths"])
    post = document["paths"]["/carts/{id}/items"]["post"]
    assert set(post["responses"]) == {"200", "400", "401", "403", "404", "413", "415", "422", "503"}
    schemes = {name for scheme in post["security"] for name in scheme}
    assert schemes == {"HTTPBearer", "SessionCookie", "GuestCookie"}


def test_what_is_not_possible_at_a_path_is_answered_with_all_that_is(client: TestClient) -> None:
    """Each method has a route of its own; Allow names those of all."""
    for path, methods in (
        ("/carts/alice", "DELETE, GET"),
        ("/carts/alice/items/Linux", "DELETE, PATCH"),
        ("/carts/alice/items", "POST"),
    ):
        answer = client.options(path)
        assert_problem(answer, 405)
        assert answer.headers["allow"] == methods
