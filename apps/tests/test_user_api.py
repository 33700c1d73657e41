"""The HTTP interface of the user service: who is let in, how, and what is said to what is wrong."""

from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any

import fastapi
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from prometheus_client import CollectorRegistry

from skillupworks.runtime.client_address import TrustedProxies
from skillupworks.runtime.health import Readiness
from skillupworks.shop.accounts import AccountMetrics, Accounts
from skillupworks.shop.gate import Gate, LoginMetrics
from skillupworks.shop.passwords import Cost, PasswordMetrics, Passwords
from skillupworks.shop.session_cookies import SessionCookies
from skillupworks.shop.sessions import GUEST_COOKIE, SESSION_COOKIE
from skillupworks.shop.user_api import create_app
from skillupworks.shop.visitors import Visitors

from .user_stubs import MemoryAccounts, MemorySessions, MemoryThrottle

ASHA: dict[str, Any] = {"email": "asha@example.com", "password": "correct horse"}
AS_TOKEN = {"delivery": "token"}
PAGE = {"X-Requested-With": "shop"}
MAX_AGE = 1000


@pytest.fixture
def store() -> MemoryAccounts:
    """Return a store without accounts."""
    return MemoryAccounts()


@pytest.fixture
def sessions() -> MemorySessions:
    """Return no sessions."""
    return MemorySessions()


@pytest.fixture
def throttle() -> MemoryThrottle:
    """Return a throttle that lets everybody pass."""
    return MemoryThrottle()


@pytest.fixture
def client(
    store: MemoryAccounts, sessions: MemorySessions, throttle: MemoryThrottle, events: list[Any]
) -> Iterator[TestClient]:
    """Return a client of the application on these, over TLS, so that cookies come back."""
    del events  # captured, so that requests do not print
    registry = CollectorRegistry()
    passwords = Passwords(PasswordMetrics(registry), Cost(memory_kib=64, passes=1))
    gate = Gate(store, passwords, throttle, LoginMetrics(registry))
    accounts = Accounts(store, sessions, gate, AccountMetrics(registry))
    cookies = SessionCookies(secure=True, seconds=MAX_AGE)
    visitors = Visitors(sessions, cookies, TrustedProxies("192.0.2.1"))
    readiness = Readiness(checks={"mongodb": store.check, "redis": sessions.check}, degraded={})
    app = create_app(accounts, visitors, readiness, registry)
    with TestClient(app, "https://shop.example", raise_server_exceptions=False) as client:
        yield client


def register(client: TestClient, **changes: object) -> Response:
    return client.post("/users", json=ASHA | changes)


def log_in(client: TestClient, **changes: object) -> Response:
    return client.post("/sessions", json=ASHA | changes, headers=PAGE)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def assert_problem(response: Response, status: int, *fields: str) -> None:
    """Check that a response is a problem document that names exactly these fields."""
    problem = response.json()
    assert response.status_code == status, problem
    assert response.headers["content-type"] == "application/problem+json"
    assert list(fields) == [error["field"] for error in problem.get("errors", [])]


def test_who_registered_can_log_in_and_is_known(client: TestClient) -> None:
    made = register(client, name="Asha")
    assert made.status_code == 201
    user = made.json()
    assert len(user["id"]) == 24
    assert "set-cookie" not in made.headers

    begun = log_in(client, **AS_TOKEN)

    assert begun.status_code == 201
    assert begun.headers["cache-control"] == "no-store"
    assert (begun.json()["id"], begun.json()["kind"]) == (user["id"], "user")
    me = client.get("/users/me", headers=bearer(begun.json()["token"]))
    assert me.json() == user
    assert me.headers["cache-control"] == "no-store"
    assert (user["kind"], user["email"], user["name"]) == ("user", "asha@example.com", "Asha")


def test_a_password_is_in_no_answer_no_event_and_no_error(
    client: TestClient, store: MemoryAccounts, events: list[Any]
) -> None:
    said = [register(client), log_in(client), log_in(client, password="wrong horse")]
    said.append(register(client, email="wrong", password="correct horse"))
    said.append(register(client, password="short one", name=7))

    everything = "".join(answer.text for answer in said) + str(events)
    for secret in ("correct horse", "wrong horse", "short one", "argon2", "token-1"):
        assert secret not in everything
    assert "asha@example.com" not in str(events)
    assert "correct horse" not in str(store.accounts)
    assert "argon2" not in str(store.accounts)  # what a traceback might show


@pytest.mark.parametrize(
    "email", ["ASHA@Example.COM", "\uff41sha@example.com", "asha\uff20example.com"]
)
def test_an_address_has_one_account_however_it_is_written(client: TestClient, email: str) -> None:
    register(client)

    assert_problem(register(client, email=email), 409, "email")
    assert log_in(client, email=email).status_code == 201


def test_a_wrong_password_and_an_unknown_address_are_told_the_same(client: TestClient) -> None:
    register(client)

    wrong = log_in(client, password="wrong horse")
    unknown = log_in(client, email="nobody@example.com")

    assert_problem(wrong, 401)
    assert wrong.headers["www-authenticate"] == "Bearer"
    assert wrong.json() == unknown.json()
    assert {name for name in wrong.headers if name != "traceparent"} == {
        name for name in unknown.headers if name != "traceparent"
    }


def cookie(response: Response, name: str) -> Any:
    """Return the one cookie of a name that a response sets."""
    found = [SimpleCookie(text) for text in response.headers.get_list("set-cookie")]
    (only,) = [jar[name] for jar in found if name in jar]
    return only


def test_a_browser_gets_a_cookie_that_no_script_can_read(client: TestClient) -> None:
    register(client)

    answer = log_in(client)

    assert answer.json()["token"] is None
    given = cookie(answer, SESSION_COOKIE)
    assert given.value == "token-1"
    assert (given["httponly"], given["secure"], given["samesite"]) == (True, True, "lax")
    assert (given["path"], given["max-age"], given["domain"]) == ("/", str(MAX_AGE), "")
    assert client.get("/users/me").json()["email"] == "asha@example.com"


def test_only_a_shop_without_tls_gives_cookies_to_plain_http() -> None:
    answer = fastapi.Response()

    SessionCookies(secure=False, seconds=5).give(answer, "token-1", guest=False)

    assert "Secure" not in answer.headers["set-cookie"]
    assert "HttpOnly" in answer.headers["set-cookie"]


def test_a_login_ends_what_the_browser_was_logged_in_as(
    client: TestClient, sessions: MemorySessions
) -> None:
    register(client)
    register(client, email="bea@example.com")
    log_in(client)

    log_in(client, email="bea@example.com")

    assert set(sessions.owners) == {"token-2"}
    assert client.get("/users/me").json()["email"] == "bea@example.com"


def test_a_login_that_fails_ends_nothing(client: TestClient, sessions: MemorySessions) -> None:
    register(client)
    log_in(client)

    assert_problem(log_in(client, password="wrong horse"), 401)
    assert set(sessions.owners) == {"token-1"}


def test_a_guest_has_a_session_that_stays_after_login(
    client: TestClient, sessions: MemorySessions
) -> None:
    begun = client.post("/guests", json={}, headers=PAGE)
    assert begun.status_code == 201
    guest = begun.json()
    assert guest["id"].startswith("user-session-")
    assert (guest["kind"], guest["token"]) == ("guest", None)
    assert cookie(begun, GUEST_COOKIE).value == "token-1"
    assert client.get("/users/me").json() == {
        "id": guest["id"],
        "kind": "guest",
        "email": None,
        "name": None,
        "createdAt": None,
    }

    register(client)
    log_in(client)

    assert client.get("/users/me").json()["kind"] == "user"
    assert set(sessions.owners) == {"token-1", "token-2"}
    assert client.cookies[GUEST_COOKIE] == "token-1"


def test_a_program_can_be_a_guest_as_well(client: TestClient) -> None:
    guest = client.post("/guests", json=AS_TOKEN).json()

    assert client.get("/users/me", headers=bearer(guest["token"])).json()["id"] == guest["id"]
    assert not client.cookies


def test_a_browser_that_becomes_a_guest_is_nobody_else_any_more(
    client: TestClient, sessions: MemorySessions
) -> None:
    register(client)
    log_in(client)

    client.post("/guests", json={}, headers=PAGE)

    assert set(sessions.owners) == {"token-2"}
    assert client.get("/users/me").json()["kind"] == "guest"


def test_after_logout_nothing_of_a_browser_is_left(
    client: TestClient, sessions: MemorySessions
) -> None:
    client.post("/guests", json={}, headers=PAGE)
    register(client)
    log_in(client)

    assert client.delete("/sessions/current", headers=PAGE).status_code == 204
    assert not sessions.owners
    assert not client.cookies
    assert_problem(client.get("/users/me"), 401)
    assert_problem(client.delete("/sessions/current", headers=PAGE), 401)


def test_a_program_ends_its_own_session_however_often_it_asks(
    client: TestClient, sessions: MemorySessions
) -> None:
    register(client)
    tokens = [log_in(client, **AS_TOKEN).json()["token"] for _ in range(2)]

    for _ in range(2):
        answer = client.delete("/sessions/current", headers=bearer(tokens[0]))
        assert answer.status_code == 204
        assert "set-cookie" not in answer.headers
    assert set(sessions.owners) == {tokens[1]}


def test_an_old_token_is_renewed_for_a_browser_and_not_for_a_program(
    client: TestClient, sessions: MemorySessions
) -> None:
    register(client)
    log_in(client)
    sessions.old = {"token-1"}

    assert "set-cookie" not in client.get("/users/me", headers=bearer("token-1")).headers
    renewed = cookie(client.get("/users/me"), SESSION_COOKIE)

    assert (renewed.value, renewed["httponly"], renewed["max-age"]) == ("token-2", True, "1000")
    assert "set-cookie" not in client.get("/users/me").headers


def test_an_account_is_deleted_with_all_of_its_sessions(
    client: TestClient, store: MemoryAccounts, sessions: MemorySessions
) -> None:
    register(client)
    register(client, email="bea@example.com")
    tokens = [log_in(client, **AS_TOKEN).json()["token"] for _ in range(3)]
    other = log_in(client, email="bea@example.com", **AS_TOKEN).json()["token"]

    answer = client.request(
        "DELETE", "/users/me", json={"password": "correct horse"}, headers=bearer(tokens[0])
    )

    assert answer.status_code == 204
    for token in tokens:
        assert_problem(client.get("/users/me", headers=bearer(token)), 401)
    assert set(sessions.owners) == {other}
    assert [account.email for account in store.accounts.values()] == ["bea@example.com"]
    assert_problem(log_in(client), 401)
    assert register(client).status_code == 201


def test_an_account_is_not_deleted_without_its_password(
    client: TestClient, store: MemoryAccounts, throttle: MemoryThrottle
) -> None:
    register(client)
    token = log_in(client, **AS_TOKEN).json()["token"]
    for body, status in (({"password": "wrong horse"}, 403), ({}, 422), ({"password": 1}, 422)):
        answer = client.request("DELETE", "/users/me", json=body, headers=bearer(token))
        assert_problem(answer, status, "password")
    throttle.seconds = 9
    body = {"password": "correct horse"}
    assert_problem(client.request("DELETE", "/users/me", json=body, headers=bearer(token)), 429)

    assert len(store.accounts) == 1
    assert client.get("/users/me", headers=bearer(token)).status_code == 200


def test_a_guest_has_no_account_to_delete(client: TestClient) -> None:
    token = client.post("/guests", json=AS_TOKEN).json()["token"]

    body = {"password": "correct horse"}
    assert_problem(client.request("DELETE", "/users/me", json=body, headers=bearer(token)), 404)


def test_a_session_without_its_account_opens_nothing(
    client: TestClient, store: MemoryAccounts
) -> None:
    register(client)
    token = log_in(client, **AS_TOKEN).json()["token"]
    store.accounts.clear()

    assert_problem(client.get("/users/me", headers=bearer(token)), 401)
    body = {"password": "correct horse"}
    assert_problem(client.request("DELETE", "/users/me", json=body, headers=bearer(token)), 401)


def test_an_account_that_is_deleted_during_its_login_is_not_logged_in(
    client: TestClient, store: MemoryAccounts, sessions: MemorySessions
) -> None:
    register(client)
    store.meanwhile = "deleted"

    assert_problem(log_in(client), 401)
    assert not sessions.owners


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({}, "X-Requested-With"),
        (PAGE | {"Sec-Fetch-Site": "cross-site"}, "Sec-Fetch-Site"),
        (PAGE | {"Origin": "https://evil.example"}, "Origin"),
    ],
    ids=str,
)
def test_what_another_site_makes_a_browser_send_has_no_effect(
    client: TestClient,
    store: MemoryAccounts,
    sessions: MemorySessions,
    headers: dict[str, str],
    field: str,
) -> None:
    register(client)
    # not even to be somebody whom the other site chose
    assert_problem(client.post("/sessions", json=ASHA, headers=headers), 403, field)
    assert_problem(client.post("/guests", json={}, headers=headers), 403, field)
    log_in(client)
    before = dict(sessions.owners)

    for method, path, body in (
        ("POST", "/sessions", ASHA | AS_TOKEN),
        ("POST", "/guests", AS_TOKEN),
        ("DELETE", "/sessions/current", None),
        ("DELETE", "/users/me", {"password": "correct horse"}),
    ):
        assert_problem(client.request(method, path, json=body, headers=headers), 403, field)
    assert sessions.owners == before
    assert len(store.accounts) == 1


@pytest.mark.parametrize("header", ["Bearer token-9", "Bearer", "Basic YTpi", "token-1", ""])
def test_without_a_session_nobody_is_known(client: TestClient, header: str) -> None:
    register(client)
    log_in(client, **AS_TOKEN)

    answer = client.get("/users/me", headers={"Authorization": header})

    assert_problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_who_tries_too_often_is_told_for_how_long_to_wait(
    client: TestClient, throttle: MemoryThrottle
) -> None:
    register(client)
    throttle.seconds = 7

    for answer in (log_in(client), register(client), client.post("/guests", json=AS_TOKEN)):
        assert_problem(answer, 429)
        assert answer.headers["retry-after"] == "7"
    text = client.get("/metrics").text
    assert 'skillupworks_user_logins_total{outcome="throttled"} 1.0' in text


def test_a_client_cannot_choose_the_address_that_is_counted(
    client: TestClient, throttle: MemoryThrottle
) -> None:
    client.post("/users", json=ASHA, headers={"X-Forwarded-For": "198.51.100.1"})

    assert throttle.addresses == {"testclient"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": ""}, "email"),
        ({"email": "asha"}, "email"),
        ({"email": "@example.com"}, "email"),
        ({"email": "asha@example"}, "email"),
        ({"email": "asha@@example.com"}, "email"),
        ({"email": "asha@example..com"}, "email"),
        ({"email": ".asha@example.com"}, "email"),
        ({"email": "asha@-example.com"}, "email"),
        ({"email": "a b@example.com"}, "email"),
        ({"email": "asha@example.com\r\nBcc: x@example.com"}, "email"),
        ({"email": "asha@example.com\n"}, "email"),
        ({"email": "asha@example.com, x@example.com"}, "email"),
        ({"email": "Asha <asha@example.com>"}, "email"),
        ({"email": "\x00@example.com"}, "email"),
        ({"email": f"{'a' * 65}@example.com"}, "email"),
        ({"email": f"a@{'b' * 260}.com"}, "email"),
        ({"email": {"$gt": ""}}, "email"),
        ({"email": ["asha@example.com"]}, "email"),
        ({"email": 7}, "email"),
        ({"email": None}, "email"),
        ({"password": ""}, "password"),
        ({"password": "nine char"}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"password": "x" * 100_0}, "password"),
        ({"password": "\ufdfa" * 128}, "password"),
        ({"password": {"$ne": None}}, "password"),
        ({"password": 1234567890}, "password"),
        ({"password": None}, "password"),
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "Asha\nadmin"}, "name"),
        ({"name": {"first": "Asha"}}, "name"),
    ],
    ids=repr,
)
def test_a_wrong_field_is_named_and_nobody_is_made(
    client: TestClient, store: MemoryAccounts, changes: dict[str, Any], field: str
) -> None:
    assert_problem(register(client, **changes), 422, field)
    assert store.accounts == {}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/users", {"email": "a@example.com"}, "password"),
        ("/users", {"password": "correct horse"}, "email"),
        ("/sessions", {"email": {"$gt": ""}, "password": "correct horse"}, "email"),
        ("/sessions", {"email": "a@example.com", "password": {"$gt": ""}}, "password"),
        ("/sessions", {"email": "a@example.com", "password": "x" * 513}, "password"),
        ("/sessions", ASHA | {"delivery": "mail"}, "delivery"),
        ("/sessions", ASHA | {"delivery": 1}, "delivery"),
        ("/guests", {"delivery": None}, "delivery"),
    ],
)
def test_what_is_wrong_with_other_requests_is_named(
    client: TestClient, path: str, body: dict[str, Any], field: str
) -> None:
    assert_problem(client.post(path, json=body, headers=PAGE), 422, field)


@pytest.mark.parametrize("field", ["email", "password", "name"])
def test_half_a_character_is_a_wrong_field_and_no_bug(client: TestClient, field: str) -> None:
    content = '{"email": "a@example.com", "password": "correct horse", "name": "a"}'
    half = content.replace(f'"{field}": "', f'"{field}": "\\ud800 and more ')

    answer = client.post("/users", content=half, headers={"Content-Type": "application/json"})

    assert_problem(answer, 422, field)


@pytest.mark.parametrize(
    "email", ["a+b@example.com", "o'hara@example.co.uk", "\u0905\u0936\u093e@\u0909\u0926.com"]
)
def test_unusual_addresses_are_addresses(client: TestClient, email: str) -> None:
    answer = register(client, email=email)

    assert (answer.status_code, answer.json()["email"]) == (201, email)


def test_a_body_that_is_no_json_or_too_large_is_refused(client: TestClient) -> None:
    json = {"Content-Type": "application/json"}

    assert_problem(client.post("/users", content=b"{", headers=json), 400)
    assert_problem(client.post("/users", content=b"text"), 415)
    assert_problem(client.post("/users", content=b" " * 70_000 + b"{}", headers=json), 413)


def test_without_a_database_the_client_is_told_to_come_back(
    client: TestClient, store: MemoryAccounts, sessions: MemorySessions, throttle: MemoryThrottle
) -> None:
    register(client)
    token = log_in(client, **AS_TOKEN).json()["token"]
    told = throttle.told["not made asha@example.com"]
    delete = {"password": "correct horse"}
    for stub, paths in ((store, ("/users", "/sessions")), (sessions, ("/sessions", "/guests"))):
        stub.problem = "away"
        asked = [client.post(path, json=ASHA | AS_TOKEN) for path in paths]
        asked.append(client.get("/users/me", headers=bearer(token)))
        asked.append(client.request("DELETE", "/users/me", json=delete, headers=bearer(token)))
        for answer in asked:
            assert_problem(answer, 503)
            assert int(answer.headers["retry-after"]) > 0
        assert client.get("/ready").status_code == 503
        assert client.get("/health").status_code == 200
        stub.problem = None
    assert throttle.told["not made asha@example.com"] == told + 1
    assert client.get("/users/me", headers=bearer(token)).status_code == 200


def test_what_somebody_did_is_an_event_and_counted(client: TestClient, events: list[Any]) -> None:
    user_id = register(client).json()["id"]
    log_in(client)
    client.get("/users/me")
    client.delete("/sessions/current", headers=PAGE)

    assert [
        ("POST /users 201", "registered", user_id),
        ("POST /sessions 201", "logged_in", user_id),
        ("GET /users/me 200", None, user_id),
        ("DELETE /sessions/current 204", "logged_out", None),
    ] == [(event["event"], event.get("outcome"), event.get("user_id")) for event in events]
    text = client.get("/metrics").text
    for change in ("registered", "logged_in", "logged_out"):
        assert f'skillupworks_user_changes_total{{change="{change}"}} 1.0' in text
    assert 'skillupworks_user_logins_total{outcome="accepted"} 1.0' in text
    assert "skillupworks_password_hash_seconds_count 2.0" in text


def test_the_documentation_names_every_answer(client: TestClient) -> None:
    document = client.get("/openapi.json").json()

    routes = {
        (method, path): set(route["responses"])
        for path, methods in document["paths"].items()
        for method, route in methods.items()
    }
    body = {"400", "413", "415", "422", "429", "503"}
    assert routes["post", "/users"] == body | {"201", "409"}
    assert routes["post", "/sessions"] == body | {"201", "401", "403"}
    assert routes["delete", "/users/me"] == body | {"204", "401", "403", "404"}
    assert routes["post", "/guests"] == body | {"201", "403"}
    assert {"200", "401", "503"} <= routes["get", "/users/me"]
    assert {"204", "401", "403", "503"} <= routes["delete", "/sessions/current"]
