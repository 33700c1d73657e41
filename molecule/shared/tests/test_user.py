"""The user service: the real Redis and document store, who is let in, and what goes wrong."""

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest

from tests.helpers.hosts import Platform
from tests.helpers.journal import Journal
from tests.helpers.mongodb import MongoDb
from tests.helpers.redis import Redis
from tests.helpers.services import Service, carts, users
from tests.helpers.waiting import wait_until

Json = dict[str, Any]

PASSWORD = "correct horse"
PAGE = {"X-Requested-With": "shop"}
SESSION_COOKIE, GUEST_COOKIE = "skillupworks_session", "skillupworks_guest"
WEEK_SECONDS = 7 * 24 * 60 * 60
MONTH_SECONDS = 30 * 24 * 60 * 60
# of one account, before pauses begin
FREE_LOGINS = 5
# all tests come from one address: only those that say so are about how often it may ask
MANY = 1_000_000
UNTHROTTLED = f"LOGIN_ATTEMPTS_ADDRESS={MANY} REGISTRATIONS_ADDRESS={MANY} GUESTS_ADDRESS={MANY}"

# what is kept of an account
LOOK = """
import json, os, pymongo
client = pymongo.MongoClient(
    os.environ["MONGODB_HOST"], directConnection=True, authSource="users",
    username=os.environ.get("MONGODB_USER") or None, password=os.environ.get("MONGODB_PASS"))
accounts = client["users"]["accounts"]
print(json.dumps(list(accounts.find({{"email": {email!r}}}, {{"created_at": 0}}))))
"""


@dataclass
class Visitor:
    """Somebody with a browser and an e-mail address of an own."""

    client: httpx.Client
    email: str = field(default_factory=lambda: f"test-{uuid.uuid4().hex}@example.com")

    def request(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> httpx.Response:
        """Ask as the shop's own page does, unless the headers say otherwise."""
        given = PAGE | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.request(method, path, json=body, headers=given)

    def register(self, **changes: object) -> httpx.Response:
        """Make an account."""
        return self.request("POST", "/users", {"email": self.email, "password": PASSWORD} | changes)

    def log_in(self, password: str = PASSWORD, **headers: str) -> httpx.Response:
        """Log in with a cookie."""
        body = {"email": self.email, "password": password}
        return self.request("POST", "/sessions", body, **headers)

    def token(self) -> str:
        """Log in as a program; return the token."""
        body = {"email": self.email, "password": PASSWORD, "delivery": "token"}
        answer = self.request("POST", "/sessions", body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def delete(self, password: str = PASSWORD, **headers: str) -> httpx.Response:
        """Delete the account."""
        return self.request("DELETE", "/users/me", {"password": password}, **headers)

    def state(self, token: str | None = None) -> int:
        """Return the state of the answer to `who am I`."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.request("GET", "/users/me", **headers).status_code

    def cookie(self, name: str = SESSION_COOKIE) -> str:
        """Return the value of a cookie."""
        return self.client.cookies.get(name) or ""


Visit = Callable[[], Visitor]


@pytest.fixture(scope="module")
def redis(platform: Platform) -> Redis:
    """Return the Redis server."""
    return Redis(platform)


@pytest.fixture(scope="module")
def service(platform: Platform, redis: Redis) -> Iterator[Service]:
    """Return the service, which lets this address ask as often as it likes."""
    service = users(platform)[0]
    redis.forget_attempts()
    with service.changed(f"Environment={UNTHROTTLED}"):
        service.wait_until_ready()
        yield service


@pytest.fixture
def visit(platform: Platform, service: Service) -> Iterator[Visit]:
    """Return what makes another visitor."""
    clients: list[httpx.Client] = []

    def make() -> Visitor:
        url = f"http://{platform.address(service.host)}:8082"
        clients.append(httpx.Client(base_url=url, timeout=30, trust_env=False))
        return Visitor(clients[-1])

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def visitor(visit: Visit) -> Visitor:
    """Return a visitor with an account."""
    visitor = visit()
    assert visitor.register().status_code == 201
    return visitor


def at_once(action: Callable[[int], httpx.Response], times: int = 20) -> list[int]:
    """Do something twenty times at the same time; return the answers' states."""
    with ThreadPoolExecutor(times) as pool:
        return [answer.status_code for answer in pool.map(action, range(times))]


def key_of(token: str) -> str:
    """Return the name of a session in Redis."""
    return f"session:{sha256(token.encode()).hexdigest()}"


def assert_problem(answer: httpx.Response, status: int, *fields: str) -> None:
    """Check that an answer is a problem document that names exactly these fields."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json().get("errors", [])] == list(fields)


def test_who_registered_can_log_in_and_is_known(visit: Visit) -> None:
    """By the address as it is compared, however it was typed."""
    visitor = visit()
    made = visitor.register(email=visitor.email.upper(), name="Asha")
    assert made.status_code == 201, made.text
    begun = visitor.log_in()
    assert (begun.status_code, begun.json()["token"]) == (201, None)
    assert begun.json()["id"] == made.json()["id"]
    assert visitor.request("GET", "/users/me").json() == made.json()
    assert (made.json()["email"], made.json()["name"]) == (visitor.email, "Asha")


def test_of_twenty_who_register_an_address_at_once_one_has_it(visit: Visit) -> None:
    """The database alone decides."""
    visitor = visit()
    answers = at_once(lambda number: visitor.register(password=f"password {number:02}"))
    assert sorted(answers) == [201] + [409] * 19
    assert_problem(visitor.register(), 409, "email")
    tried = at_once(lambda number: visitor.log_in(f"password {number:02}"), 4)
    assert tried.count(201) <= 1


def test_a_session_is_written_as_others_read_it_and_its_token_is_nowhere(
    visitor: Visitor, redis: Redis
) -> None:
    """`owner` and `kind` below the token's SHA-256, gone when nobody uses it for a week."""
    user_id = visitor.log_in().json()["id"]
    key = key_of(visitor.cookie())
    assert redis.ask(f"HMGET {key} owner kind") == [user_id, "user"]
    assert WEEK_SECONDS - 60 < int(redis.value(f"TTL {key}")) <= WEEK_SECONDS
    redis.ask(f"EXPIRE {key} 100")
    assert visitor.state() == 200
    assert WEEK_SECONDS - 60 < int(redis.value(f"TTL {key}")) <= WEEK_SECONDS
    assert visitor.cookie() not in "".join(redis.ask("KEYS *", f"HGETALL {key}"))
    assert len(visitor.cookie()) >= 43


def test_a_session_opens_the_cart_of_its_owner_and_a_guests_cart_is_taken_over(
    platform: Platform, visitor: Visitor
) -> None:
    """By cookies, which the cart takes as they are; a program sends its token."""
    guest = visitor.request("POST", "/guests", {}).json()["id"]
    cart = f"http://{platform.address(carts(platform)[0].host)}:8083/carts"
    with httpx.Client(timeout=20, trust_env=False, headers=PAGE) as browser:

        def ask(method: str, path: str, body: object = None) -> httpx.Response:
            pairs = [f"{name}={value}" for name, value in visitor.client.cookies.items()]
            headers = {"Cookie": "; ".join(pairs)}
            return browser.request(method, f"{cart}/{path}", json=body, headers=headers)

        assert ask("PUT", f"{guest}/shipping", {"city": 7}).status_code == 200
        user_id = visitor.log_in().json()["id"]
        assert ask("GET", guest).status_code == 404
        assert ask("POST", f"{user_id}/merge", {}).json()["shipping"]["city"] == 7
        token = {"Authorization": f"Bearer {visitor.token()}"}
        assert browser.get(f"{cart}/{user_id}", headers=token).status_code == 200
        visitor.request("DELETE", "/sessions/current")
        assert ask("GET", user_id).status_code == 401
        assert browser.get(f"{cart}/{user_id}", headers=token).status_code == 200


def test_a_guest_is_known_and_has_a_session_like_others(visitor: Visitor, redis: Redis) -> None:
    """With an id that a payment takes as its session."""
    answer = visitor.request("POST", "/guests", {})
    assert answer.status_code == 201
    guest_id = answer.json()["id"]
    assert re.fullmatch("user-session-[0-9a-f]{24}", guest_id)
    assert redis.ask(f"HMGET {key_of(visitor.cookie(GUEST_COOKIE))} owner kind") == [
        guest_id,
        "guest",
    ]
    assert visitor.request("GET", "/users/me").json()["kind"] == "guest"
    assert_problem(visitor.delete(), 404)


def test_a_password_is_kept_as_argon2id_with_the_recommended_cost(
    visitor: Visitor, service: Service
) -> None:
    """And nothing else of it."""
    (account,) = service.python(LOOK.format(email=visitor.email))
    assert set(account) == {"_id", "email", "name", "password_hash"}
    assert re.match(r"\$argon2id\$v=19\$m=19456,t=2,p=1\$", account["password_hash"])
    assert PASSWORD not in json.dumps(account)


def test_a_wrong_password_and_an_unknown_address_are_told_the_same(
    visit: Visit, visitor: Visitor
) -> None:
    """In words, and nearly in time."""
    stranger = visit()
    wrong, unknown = visitor.log_in("wrong horse"), stranger.log_in("wrong horse")
    assert_problem(wrong, 401)
    assert wrong.json() == unknown.json()

    def seconds(of: Visitor) -> float:
        began = time.monotonic()
        assert of.log_in("wrong horse").status_code == 401
        return time.monotonic() - began

    # the free ones that are left, in turns: what else the machine does hits both
    times = [(seconds(visitor), seconds(stranger)) for _ in range(FREE_LOGINS - 1)]
    known, other = (min(column) for column in zip(*times, strict=True))
    assert 0.4 < known / other < 2.5


def test_who_guesses_has_to_wait_and_is_let_in_afterwards(visitor: Visitor) -> None:
    """Even with the right password; and then the count begins anew."""
    for _ in range(2):
        for _ in range(FREE_LOGINS):
            assert visitor.log_in("wrong horse").status_code == 401
        refused = visitor.log_in()
        assert_problem(refused, 429)
        wait = int(refused.headers["retry-after"])
        assert wait == 1
        time.sleep(wait + 0.1)
        assert visitor.log_in().status_code == 201


def test_each_further_guess_makes_a_longer_pause(visitor: Visitor, redis: Redis) -> None:
    """Up to a quarter of an hour, and an hour later nothing is left of it."""
    for _ in range(FREE_LOGINS):
        visitor.log_in("wrong horse")
    key = f"throttle:account:{sha256(visitor.email.encode()).hexdigest()}"
    pauses = []
    for _ in range(13):
        pauses.append(int(visitor.log_in().headers["retry-after"]))
        redis.ask(f"HDEL {key} until")  # as if it had passed
        assert visitor.log_in("wrong horse").status_code == 401
    assert pauses[:5] == pytest.approx([1, 2, 4, 8, 16], abs=1)
    assert 895 <= pauses[-1] <= 900
    assert pauses == sorted(pauses)
    assert 3540 < int(redis.value(f"TTL {key}")) <= 3600


def test_of_twenty_guesses_at_once_no_more_are_looked_at_than_one_after_the_other(
    visitor: Visitor,
) -> None:
    """They are counted before the password is looked at."""
    answers = at_once(lambda _: visitor.log_in("wrong horse"))
    assert set(answers) == {401, 429}
    # on a slow machine the first pause, of a second, may end before the last one asks
    assert FREE_LOGINS <= answers.count(401) <= FREE_LOGINS + 1


def test_only_a_proxy_of_ours_may_say_where_somebody_is(
    platform: Platform, visit: Visit, service: Service, redis: Redis
) -> None:
    """Each address has its own count, and an owner's own address is not locked by a stranger's."""
    counts = "LOGIN_ATTEMPTS_ADDRESS=6 REGISTRATIONS_ADDRESS=3 GUESTS_ADDRESS=3"
    here, there = (f"198.51.100.{uuid.uuid4().int % 250}", f"203.0.113.{uuid.uuid4().int % 250}")
    proxy = f"TRUSTED_PROXIES={platform.lab.gateway}"
    with service.changed(f"Environment={UNTHROTTLED} {counts} {proxy}"):
        service.wait_until_ready()
        visitor = visit()

        def ask(path: str, body: object, address: str) -> int:
            answer = visitor.request("POST", path, body, X_Forwarded_For=f"192.0.2.9, {address}")
            return answer.status_code

        guest = {"delivery": "token"}
        assert [ask("/guests", guest, there) for _ in range(4)] == [201] * 3 + [429]
        assert ask("/guests", guest, here) == 201
        account = {"email": visitor.email, "password": PASSWORD}
        assert ask("/users", account, here) == 201
        # each hash takes a while, and the first pause a second
        states = [ask("/users", account, here) for _ in range(6)]
        assert states[:2] == [409, 409]
        assert 429 in states
        assert ask("/sessions", account, here) == 201
        wrong = account | {"password": "wrong horse"}
        tried = [ask("/sessions", wrong, there) for _ in range(FREE_LOGINS + 1)]
        assert tried == [401] * FREE_LOGINS + [429]
        assert ask("/sessions", account, here) == 201
    with service.changed(f"Environment={UNTHROTTLED} GUESTS_ADDRESS=1"):
        service.wait_until_ready()
        visitor = visit()
        states = [ask("/guests", guest, f"198.51.100.{number}") for number in range(3)]
        assert states[-1] == 429
    redis.forget_attempts()


def test_a_cookie_is_for_no_script_for_no_other_site_and_over_tls_only(
    visitor: Visitor, service: Service
) -> None:
    """The lab has no TLS; the setting says so."""
    given = _cookie(visitor.log_in())
    assert (given["httponly"], given["samesite"], given["path"]) == (True, "lax", "/")
    assert (given["domain"], given["max-age"]) == ("", str(MONTH_SECONDS))
    assert given["secure"] == ""
    with service.changed(f"Environment={UNTHROTTLED} COOKIE_SECURE=true"):
        service.wait_until_ready()
        assert _cookie(visitor.log_in())["secure"] is True


def _cookie(answer: httpx.Response) -> Any:
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    (text,) = answer.headers.get_list("set-cookie")
    return SimpleCookie(text)[SESSION_COOKIE]


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({"X_Requested_With": ""}, "X-Requested-With"),
        ({"Sec_Fetch_Site": "cross-site"}, "Sec-Fetch-Site"),
        ({"Origin": "http://evil.example"}, "Origin"),
        ({"Origin": "null"}, "Origin"),
    ],
    ids=str,
)
def test_what_another_site_makes_a_browser_send_has_no_effect(
    visitor: Visitor, headers: dict[str, str], field: str
) -> None:
    """Neither with the cookie, nor to get one of the other site's choice."""
    assert_problem(visitor.log_in(**headers), 403, field)
    assert_problem(visitor.request("POST", "/guests", {}, **headers), 403, field)
    visitor.log_in()
    assert_problem(visitor.delete(**headers), 403, field)
    assert_problem(visitor.request("DELETE", "/sessions/current", **headers), 403, field)
    assert visitor.state() == 200
    form = {"Content-Type": "text/plain", "X-Requested-With": "shop"}
    body = json.dumps({"email": visitor.email, "password": PASSWORD})
    assert visitor.client.post("/sessions", content=body, headers=form).status_code == 415


def test_logging_in_again_gives_another_token_and_ends_the_one_before(visitor: Visitor) -> None:
    """Whoever knew the old one, or put it there, has nothing from it."""
    visitor.log_in()
    first = visitor.cookie()
    visitor.log_in()
    assert visitor.cookie() != first
    assert (visitor.state(), visitor.state(first)) == (200, 401)


def test_after_logout_a_session_opens_nothing(visitor: Visitor) -> None:
    """Of a browser no cookie is left, and the others of the account go on."""
    other = visitor.token()
    visitor.log_in()
    token = visitor.cookie()
    assert visitor.request("DELETE", "/sessions/current").status_code == 204
    assert not visitor.client.cookies
    assert (visitor.state(), visitor.state(token), visitor.state(other)) == (401, 401, 200)


def test_nobody_gets_in_with_what_is_not_a_token(visitor: Visitor, redis: Redis) -> None:
    """Not with what is kept in Redis, and not with what others chose."""
    user_id = visitor.log_in().json()["id"]
    visitor_token = visitor.cookie()
    visitor.client.cookies.clear()
    key = key_of(visitor_token)
    guesses = ("none", user_id, "*", key, key.partition(":")[2], visitor_token[:-1], "x" * 5000)
    for guess in guesses:
        headers = {"Authorization": f"Bearer {guess}"}, {"Cookie": f"{SESSION_COOKIE}={guess}"}
        for header in headers:
            assert visitor.request("GET", "/users/me", **header).status_code == 401, guess
    assert redis.value(f"EXISTS {key}") == "1"
    assert visitor.state(visitor_token) == 200


def test_sessions_end_when_nobody_uses_them_and_at_the_latest(
    visitor: Visitor, service: Service
) -> None:
    """Use puts the end off, up to the longest time."""
    times = "SESSION_IDLE_SECONDS=3 SESSION_LONGEST_SECONDS=8"
    with service.changed(f"Environment={UNTHROTTLED} {times}"):
        service.wait_until_ready()
        unused, used = visitor.token(), visitor.token()
        began = time.monotonic()
        while visitor.state(used) == 200:
            assert time.monotonic() - began < 12
            time.sleep(0.5)
        assert time.monotonic() - began > 6
        assert visitor.state(unused) == 401
        unused = visitor.token()
        time.sleep(4.1)
        assert visitor.state(unused) == 401


def test_an_old_token_is_replaced_and_works_until_the_new_one_is_used(
    visitor: Visitor, service: Service
) -> None:
    """Requests on their way, and an answer that was lost, log nobody out."""
    times = "SESSION_RENEW_SECONDS=1 SESSION_GRACE_SECONDS=2"
    with service.changed(f"Environment={UNTHROTTLED} {times}"):
        service.wait_until_ready()
        program = visitor.token()
        visitor.log_in()
        old = visitor.cookie()
        time.sleep(1.2)
        # twenty tabs at once: one of the answers brings the new one
        with ThreadPoolExecutor(20) as pool:
            headers = {"Cookie": f"{SESSION_COOKIE}={old}"}
            url = f"{visitor.client.base_url}/users/me"
            answers = list(pool.map(lambda _: httpx.get(url, headers=headers), range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert sum("set-cookie" in answer.headers for answer in answers) == 1
        # that answer is lost; after a moment there is another one
        time.sleep(2.2)
        assert visitor.state() == 200
        new = visitor.cookie()
        assert new != old
        assert (visitor.state(old), visitor.state(new)) == (200, 200)
        wait_until("the old token has ended", lambda: visitor.state(old) == 401, 6)
        assert visitor.state(program) == 200


def test_an_account_is_deleted_with_its_password_and_all_of_its_sessions(
    visitor: Visitor, service: Service
) -> None:
    """Nothing is left of it, and the address can be registered again."""
    tokens = [visitor.token() for _ in range(3)]
    visitor.log_in()
    assert_problem(visitor.delete("wrong horse"), 403, "password")
    assert visitor.state() == 200
    assert visitor.delete().status_code == 204
    assert [visitor.state(token) for token in tokens] == [401] * 3
    assert service.python(LOOK.format(email=visitor.email)) == []
    assert visitor.log_in().status_code == 401
    assert visitor.register().status_code == 201


def test_a_hash_is_made_anew_when_its_cost_has_changed(visitor: Visitor, service: Service) -> None:
    """By whoever logs in, without noticing it."""
    with service.changed(f"Environment={UNTHROTTLED} PASSWORD_PASSES=3"):
        service.wait_until_ready()
        assert visitor.log_in().status_code == 201
        (account,) = service.python(LOOK.format(email=visitor.email))
        assert "m=19456,t=3,p=1" in account["password_hash"]
        assert visitor.log_in("wrong horse").status_code == 401
        assert visitor.log_in().status_code == 201


def test_a_crowd_that_logs_in_takes_a_bounded_memory(visitor: Visitor, service: Service) -> None:
    """Some are asked to come back; nobody is told anything wrong, and the others are served."""
    run = service.invocation
    states = at_once(lambda number: visitor.register(email=f"{number}-{visitor.email}"), 60)
    assert set(states) <= {201, 503}
    assert states.count(201) >= 20
    peak = int(service.run(f"grep VmHWM /proc/{service.pid}/status").split()[1])
    assert peak < 400 * 1024
    assert service.invocation == run


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "asha"}, "email"),
        ({"email": {"$gt": ""}}, "email"),
        ({"email": {"$ne": None}}, "email"),
        ({"email": ["a@example.com"]}, "email"),
        ({"email": 7}, "email"),
        ({"email": None}, "email"),
        ({"email": "a@example.com\r\nBcc: b@example.com"}, "email"),
        ({"email": "a@example.com'; db.accounts.drop(); '"}, "email"),
        ({"email": f"{'a' * 300}@example.com"}, "email"),
        ({"password": {"$gt": ""}}, "password"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 600}, "password"),
        ({"password": 1234567890}, "password"),
        ({"password": True}, "password"),
        ({"name": {"$where": "sleep(5000)"}}, "name"),
        ({"name": "Asha\nroot"}, "name"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_by_its_field(visit: Visit, changes: Json, field: str) -> None:
    """In a problem document; there is no account then."""
    visitor = visit()
    assert_problem(visitor.register(**changes), 422, field)
    if field == "email":
        body = {"password": PASSWORD} | changes
        assert_problem(visitor.request("POST", "/sessions", body), 422, "email")
    assert visitor.log_in().status_code == 401


@pytest.mark.parametrize(
    "password",
    ["$where: 1 or '1'='1", '{"$gt": ""}        ', "\u2028 \u0000 EVAL \r\n", "\U0001f511" * 10],
    ids=ascii,
)
def test_a_password_may_be_anything(visit: Visit, password: str) -> None:
    """It is only hashed."""
    visitor = visit()
    assert visitor.register(password=password).status_code == 201
    assert visitor.log_in(password).status_code == 201
    assert visitor.log_in(password + "x").status_code == 401


@pytest.mark.parametrize("path", ["/users", "/sessions", "/guests"])
@pytest.mark.parametrize(
    ("content", "states"),
    [
        (b"", {422}),
        (b"{", {400}),
        (b"[]", {422}),
        (b"\xff", {400}),
        (b"[" * 5000, {400, 422}),
        (b'{"email": "a@example.com", "password": "\\ud800\\ud800\\ud800"}', {422, 201}),
        (b'{"password": "' + b"x" * 1_000_000 + b'"}', {413}),
    ],
    ids=["nothing", "cut off", "list", "not text", "deep", "half characters", "huge"],
)
def test_a_body_that_makes_no_sense_is_refused(
    visit: Visit, path: str, content: bytes, states: set[int]
) -> None:
    """A client's mistake, never an error of the server."""
    headers = PAGE | {"Content-Type": "application/json"}
    answer = visit().client.post(path, content=content, headers=headers)
    assert answer.status_code in states
    if answer.status_code == 201:  # a guest's request has no field that it would need
        assert path == "/guests"


def test_accounts_survive_the_end_of_the_document_store(platform: Platform, visit: Visit) -> None:
    """Killed right after the tenth was acknowledged: each of them can log in."""
    store = MongoDb(platform)
    visitors = [visit() for _ in range(10)]
    assert [visitor.register().status_code for visitor in visitors] == [201] * 10
    store.run(f"systemctl kill --signal=KILL {store.unit}")
    store.wait_until_it_answers()
    wait_until(
        "the user service has the store again",
        lambda: visitors[0].log_in().status_code == 201,
    )
    assert [visitor.log_in().status_code for visitor in visitors] == [201] * 10
    assert [visitor.register().status_code for visitor in visitors] == [409] * 10


@pytest.mark.parametrize("how", ["restart", "kill --signal=KILL"])
def test_sessions_survive_the_end_of_redis(
    visitor: Visitor, service: Service, redis: Redis, how: str
) -> None:
    """What was written is there afterwards, also when the server had no time to tidy up."""
    tokens = [visitor.token() for _ in range(5)]
    wait_until("it is written", lambda: "aof_buffer_length:0" in redis.ask("INFO persistence"), 5)
    redis.run(f"systemctl {how} {redis.unit}")
    redis.wait_until_it_answers()
    service.wait_until_ready()
    assert [visitor.state(token) for token in tokens] == [200] * 5
    assert visitor.request("DELETE", "/sessions/current").status_code == 401
    assert visitor.log_in().status_code == 201


def test_without_redis_it_asks_for_patience_and_goes_on_when_it_is_back(
    visitor: Visitor, service: Service, redis: Redis
) -> None:
    """By itself, without a restart of the service."""
    visitor.log_in()
    run = service.invocation
    redis.run(f"systemctl stop {redis.unit}")
    try:
        asked = [visitor.log_in(), visitor.register(), visitor.request("GET", "/users/me")]
        asked += [visitor.request("POST", "/guests", {}), visitor.delete()]
        for answer in asked:
            assert_problem(answer, 503)
            assert int(answer.headers["retry-after"]) > 0
        _assert_not_ready(service, "redis")
    finally:
        redis.run(f"systemctl start {redis.unit}")
        redis.wait_until_it_answers()
    service.wait_until_ready()
    assert visitor.state() == 200
    assert service.invocation == run


def test_without_its_documents_it_asks_for_patience_and_goes_on_when_they_are_back(
    platform: Platform, visit: Visit, visitor: Visitor, service: Service
) -> None:
    """What nobody could look at does not count as a guess."""
    visitor.log_in()
    run = service.invocation
    host = platform.only("mongodb")
    unit = platform.system(host).documents_unit
    platform.run(host, f"systemctl stop {unit}")
    try:
        asked = [visitor.log_in() for _ in range(FREE_LOGINS + 1)]
        asked += [visitor.register(), visitor.request("GET", "/users/me"), visitor.delete()]
        for answer in asked:
            assert_problem(answer, 503)
            assert int(answer.headers["retry-after"]) > 0
        assert visit().request("POST", "/guests", {}).status_code == 201
        _assert_not_ready(service, "mongodb")
    finally:
        platform.run(host, f"systemctl start {unit}")
    service.wait_until_ready()
    assert visitor.state() == 200
    assert visitor.log_in().status_code == 201
    assert service.invocation == run


def _assert_not_ready(service: Service, which: str) -> None:
    assert " 200 " in service.http("/health").splitlines()[0]
    ready = service.http("/ready")
    assert " 503 " in ready.splitlines()[0]
    assert which in ready


def test_the_journal_says_what_happened_and_nothing_personal(
    visitor: Visitor, service: Service, journal: Journal
) -> None:
    """Ids, and neither addresses nor passwords nor tokens."""
    cursor = journal.cursor(service.host)
    user_id = visitor.log_in().json()["id"]
    token = visitor.cookie()
    visitor.log_in("wrong horse")
    visitor.register(email="asha@@example.com")
    visitor.request("DELETE", "/sessions/current")
    wait_until(
        "the logout is in the journal",
        lambda: "DELETE /sessions/current 204" in journal.since(service.host, "user", cursor),
    )
    export = f"journalctl --unit=user --cursor='{cursor}' --output=export"
    written = service.run(export)
    assert f"USER_ID={user_id}" in written
    for secret in (visitor.email, "example.com", PASSWORD, "wrong horse", token, "argon2"):
        assert secret not in written
