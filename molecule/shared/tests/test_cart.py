"""The cart: the real Redis, a stand-in for the catalogue, many at once, and what goes wrong."""

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.helpers.catalogue import StandInCatalogue
from tests.helpers.hosts import Platform
from tests.helpers.redis import Redis
from tests.helpers.services import Service, carts
from tests.helpers.waiting import wait_until

Json = dict[str, Any]

WEEK_SECONDS = 7 * 24 * 60 * 60
PRICE_SECONDS = 1
# the catalogue is left alone for so long after a failure
PAUSE_SECONDS = 2


@dataclass(frozen=True)
class Customer:
    """Somebody with a session; the cart's id is the customer's."""

    client: httpx.Client
    owner: str
    token: str

    def request(self, method: str, path: str = "", body: object = None) -> httpx.Response:
        """Ask for something of the customer's own cart."""
        return self.of(self.owner, method, path, body)

    def of(self, owner: str, method: str, path: str = "", body: object = None) -> httpx.Response:
        """Ask for something of anybody's cart."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.client.request(method, f"/carts/{owner}{path}", json=body, headers=headers)

    def add(self, sku: str, quantity: int = 1) -> httpx.Response:
        """Put a product into the cart."""
        return self.request("POST", "/items", {"sku": sku, "quantity": quantity})

    def merge(self, guest: "Customer") -> httpx.Response:
        """Take a guest's cart over."""
        return self.request("POST", "/merge", {"guestToken": guest.token})

    @property
    def cart(self) -> Json:
        """The cart."""
        answer = self.request("GET")
        assert answer.status_code == 200, answer.text
        cart: Json = answer.json()
        return cart

    @property
    def quantities(self) -> dict[str, int]:
        """What is in the cart."""
        return {line["sku"]: line["quantity"] for line in self.cart["items"]}


LogIn = Callable[..., Customer]


@pytest.fixture(scope="module")
def redis(platform: Platform) -> Redis:
    """Return the Redis server."""
    return Redis(platform)


@pytest.fixture(scope="module")
def catalogue(platform: Platform) -> Iterator[StandInCatalogue]:
    """Return a catalogue that runs."""
    catalogue = StandInCatalogue(platform)
    catalogue.start()
    yield catalogue
    catalogue.stop()


@pytest.fixture(scope="module")
def service(platform: Platform, catalogue: StandInCatalogue) -> Iterator[Service]:
    """Return the service, which asks this catalogue."""
    service = carts(platform)[0]
    settings = f"CATALOGUE_URL={catalogue.url} CATALOGUE_CACHE_SECONDS={PRICE_SECONDS}"
    with service.changed(f"Environment={settings}"):
        service.wait_until_ready()
        yield service


@pytest.fixture(scope="module")
def log_in(platform: Platform, service: Service, redis: Redis) -> Iterator[LogIn]:
    """Return what makes a new customer, or a guest."""
    url = f"http://{platform.address(service.host)}:8083"
    with httpx.Client(base_url=url, timeout=20, trust_env=False) as client:

        def make(kind: str = "user") -> Customer:
            owner = f"test-{kind}-{uuid.uuid4().hex[:12]}"
            return Customer(client, owner, redis.begin_session(owner, kind))

        yield make


@pytest.fixture
def customer(log_in: LogIn) -> Customer:
    """Return a customer with an empty cart."""
    return log_in()


def at_once(action: Callable[[int], httpx.Response], times: int = 20) -> list[int]:
    """Do something twenty times at the same time; return the answers' states."""
    with ThreadPoolExecutor(times) as pool:
        return [answer.status_code for answer in pool.map(action, range(times))]


def test_prices_are_the_catalogues_and_never_the_clients(customer: Customer) -> None:
    """Whatever else the request says."""
    body = {"sku": "MySQL", "quantity": 3, "price": 1, "priceMinor": 1, "name": "Cheap"}
    answer = customer.request("POST", "/items", body)
    assert answer.status_code == 200, answer.text
    cart = answer.json()
    assert cart["items"] == [
        {
            "sku": "MySQL",
            "name": "MySQL Administration",
            "price": 1599.5,
            "priceMinor": 159_950,
            "quantity": 3,
            "note": None,
        }
    ]
    assert (cart["total"], cart["totalMinor"], cart["currency"]) == (4798.5, 479_850, "INR")
    assert customer.cart == cart


def test_a_cart_can_be_changed_line_by_line_and_emptied(customer: Customer) -> None:
    """Adding adds, changing replaces, removing may be repeated."""
    customer.add("Linux", 2)
    customer.add("Git")
    customer.add("Linux", 3)
    assert customer.quantities == {"Git": 1, "Linux": 5}
    assert customer.request("PATCH", "/items/Linux", {"quantity": 1}).status_code == 200
    assert customer.request("PATCH", "/items/Shell", {"quantity": 1}).status_code == 404
    for _ in range(2):
        assert customer.request("DELETE", "/items/Git").status_code == 200
    assert customer.quantities == {"Linux": 1}
    shipping = {"city": 1275339, "method": "express"}
    assert customer.request("PUT", "/shipping", shipping).json()["shipping"] == shipping
    assert customer.request("DELETE").status_code == 204
    assert (customer.cart["items"], customer.cart["shipping"]) == ([], None)


def test_twenty_changes_at_once_are_twenty_changes(customer: Customer) -> None:
    """None is lost, none is made twice."""
    assert at_once(lambda _: customer.add("Linux", 2)) == [200] * 20
    assert customer.quantities == {"Linux": 40}


def test_twenty_new_lines_at_once_are_twenty_lines(customer: Customer) -> None:
    """Also in a cart that is not there yet."""
    assert at_once(lambda number: customer.add(f"Extra-{number + 1}")) == [200] * 20
    assert customer.quantities == {f"Extra-{number}": 1 for number in range(1, 21)}


def test_no_race_gets_beyond_the_limit_of_a_line(customer: Customer) -> None:
    """Of twenty that want one of the last ten, ten get it."""
    customer.add("Linux", 89)
    assert sorted(at_once(lambda _: customer.add("Linux"))) == [200] * 10 + [422] * 10
    assert customer.quantities == {"Linux": 99}
    problem = customer.add("Linux").json()
    assert problem["errors"][0]["field"] == "quantity"


def test_no_race_gets_beyond_the_limit_of_lines(customer: Customer) -> None:
    """Of twenty new lines five fit beside 45; what is there already can still be added to."""
    for number in range(45):
        customer.add(f"Extra-{number + 1}")
    customer.request("PUT", "/shipping", {"city": 1})  # is no line
    new = [f"Extra-{number}" for number in range(46, 66)]
    answers = at_once(lambda number: customer.add(new[number]))
    assert sorted(answers) == [200] * 5 + [422] * 15
    there = customer.quantities
    assert len(there) == 50
    assert customer.add("Extra-1").status_code == 200
    refused = customer.add(next(sku for sku in new if sku not in there))
    assert refused.json()["errors"][0]["field"] == "sku"


def test_a_guests_cart_is_taken_over_once_however_often_it_is_asked_for(
    log_in: LogIn, customer: Customer
) -> None:
    """Twenty logins at the same time, and one more: quantities are added up once."""
    guest = log_in("guest")
    guest.add("Linux", 3)
    guest.add("Git", 98)
    guest.request("PUT", "/shipping", {"city": 7})
    customer.add("Linux", 4)
    customer.add("Git", 2)
    assert at_once(lambda _: customer.merge(guest)) == [200] * 20
    assert customer.merge(guest).status_code == 200
    assert customer.quantities == {"Git": 99, "Linux": 7}
    assert customer.cart["shipping"] == {"city": 7, "method": "standard"}
    assert guest.quantities == {}


def test_nothing_that_a_guest_adds_during_a_login_is_lost(
    log_in: LogIn, customer: Customer
) -> None:
    """It is in one of the two carts, and not in both."""
    guest = log_in("guest")
    answers = at_once(lambda number: customer.merge(guest) if number % 4 == 0 else guest.add("Git"))
    assert answers == [200] * 20
    together = customer.quantities.get("Git", 0) + guest.quantities.get("Git", 0)
    assert together == 15


def test_what_of_a_guests_cart_does_not_fit_is_named(log_in: LogIn, customer: Customer) -> None:
    """A customer sees why there is less than expected."""
    guest = log_in("guest")
    guest.add("Linux", 60)
    customer.add("Linux", 60)
    notes = customer.merge(guest).json()["notes"]
    assert [note.partition(":")[0] for note in notes] == ["Linux"]
    assert customer.quantities == {"Linux": 99}


def test_only_a_guests_cart_can_be_taken_over_and_only_with_the_guests_token(
    log_in: LogIn, customer: Customer
) -> None:
    """Nobody empties another customer's cart."""
    other = log_in()
    other.add("Linux")
    for token in (other.token, customer.token, other.owner, "nothing"):
        answer = customer.request("POST", "/merge", {"guestToken": token})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "guestToken"
    assert other.quantities == {"Linux": 1}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("DELETE", "", None),
        ("POST", "/items", {"sku": "Git", "quantity": 1}),
        ("PATCH", "/items/Linux", {"quantity": 1}),
        ("DELETE", "/items/Linux", None),
        ("PUT", "/shipping", {"city": 1}),
        ("POST", "/merge", {"guestToken": "nothing"}),
    ],
)
def test_another_ones_cart_cannot_be_reached(
    log_in: LogIn, customer: Customer, method: str, path: str, body: object
) -> None:
    """404, as if it was not there; 401 without a session. It stays as it is."""
    other = log_in()
    other.add("Linux", 7)
    assert customer.of(other.owner, method, path, body).status_code == 404
    stranger = Customer(customer.client, other.owner, "guessed")
    assert stranger.request(method, path, body).status_code == 401
    assert other.quantities == {"Linux": 7}
    assert other.cart["shipping"] is None


def test_a_session_that_has_ended_opens_nothing(customer: Customer, redis: Redis) -> None:
    """From the next request on."""
    customer.add("Linux")
    redis.end_session(customer.token)
    answer = customer.request("GET")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sku": "Cobol"}, "sku"),
        ({"sku": ""}, "sku"),
        ({"sku": 7}, "sku"),
        ({"sku": ["Linux"]}, "sku"),
        ({"sku": "../health"}, "sku"),
        ({"sku": "Linux\r\nDEL x"}, "sku"),
        ({"sku": "s" * 65}, "sku"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": -1}, "quantity"),
        ({"quantity": 100}, "quantity"),
        ({"quantity": 10**30}, "quantity"),
        ({"quantity": 1.5}, "quantity"),
        ({"quantity": "1"}, "quantity"),
        ({"quantity": True}, "quantity"),
        ({"quantity": None}, "quantity"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_by_its_field(customer: Customer, changes: Json, field: str) -> None:
    """In a problem document; the cart stays empty."""
    answer = customer.request("POST", "/items", {"sku": "Linux", "quantity": 1} | changes)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert customer.quantities == {}


@pytest.mark.parametrize(
    ("content", "states"),
    [(b"", {422}), (b"{", {400}), (b"[]", {422}), (b"\xff", {400}), (b"[" * 5000, {400, 422})],
    ids=["nothing", "cut off", "list", "not text", "deep"],
)
def test_a_body_that_is_no_object_is_refused(
    customer: Customer, content: bytes, states: set[int]
) -> None:
    """A client's mistake, never an error of the server."""
    headers = {"Authorization": f"Bearer {customer.token}", "Content-Type": "application/json"}
    path = f"/carts/{customer.owner}/items"
    assert customer.client.post(path, content=content, headers=headers).status_code in states


def test_a_huge_body_is_refused(customer: Customer) -> None:
    """Without reading a megabyte into memory first."""
    assert customer.add("x" * 1_000_000).status_code == 413


def test_a_cart_expires_some_time_after_its_last_change(customer: Customer, redis: Redis) -> None:
    """Each kind of change puts the end off; looking does not, and the end comes."""
    key = f"cart:{customer.owner}"
    customer.add("Linux")
    changes: list[tuple[str, str, object]] = [
        ("POST", "/items", {"sku": "Git", "quantity": 1}),
        ("PATCH", "/items/Git", {"quantity": 2}),
        ("DELETE", "/items/Git", None),
        ("PUT", "/shipping", {"city": 1}),
    ]
    for method, path, body in changes:
        redis.ask(f"EXPIRE {key} 100")
        customer.request(method, path, body)
        assert WEEK_SECONDS - 60 < int(redis.value(f"TTL {key}")) <= WEEK_SECONDS, path
    redis.ask(f"EXPIRE {key} 1")
    assert customer.quantities == {"Linux": 1}
    wait_until("the cart has expired", lambda: customer.quantities == {}, 5)
    assert redis.value(f"EXISTS {key}") == "0"


def test_without_the_catalogue_a_cart_has_no_prices_and_says_so(
    customer: Customer, service: Service, catalogue: StandInCatalogue
) -> None:
    """It can be looked at and changed all the same; afterwards the prices are back."""
    customer.add("Linux", 2)
    catalogue.stop()
    try:
        wait_until("the price is too old", lambda: customer.cart["total"] is None, 10)
        cart = customer.add("Git").json()
        assert [line["priceMinor"] for line in cart["items"]] == [None, None]
        assert (cart["total"], cart["totalMinor"]) == (None, None)
        assert len(cart["notes"]) == 2
        assert customer.quantities == {"Git": 1, "Linux": 2}
        ready = service.http("/ready")
        assert " 200 " in ready.splitlines()[0]
        assert '"degraded"' in ready
    finally:
        catalogue.start()
    wait_until("there are prices", lambda: customer.cart["totalMinor"] == 479_700, 10)


def test_what_is_not_sold_is_in_nobodys_way_when_the_catalogue_is_back(
    customer: Customer, catalogue: StandInCatalogue
) -> None:
    """It is named, and the rest of the cart can be bought."""
    customer.add("Linux")
    catalogue.stop()
    try:
        wait_until("the price is too old", lambda: customer.cart["total"] is None, 10)
        assert customer.add("Shipping Cost").status_code == 200
    finally:
        catalogue.start()
    wait_until("there is a total", lambda: customer.cart["totalMinor"] == 199_900, 10)
    assert customer.cart["notes"] == ["Shipping Cost: is not sold"]
    assert customer.request("DELETE", "/items/Shipping%20Cost").json()["notes"] == []


def test_a_catalogue_that_hangs_does_not_make_the_cart_hang(
    log_in: LogIn, catalogue: StandInCatalogue
) -> None:
    """Fifty lines, and twenty customers: nobody waits for each of them."""
    customer = log_in()
    for number in range(50):
        customer.add(f"Extra-{number + 1}")
    time.sleep(PRICE_SECONDS)
    catalogue.freeze()
    try:
        began = time.monotonic()
        assert customer.cart["total"] is None
        assert time.monotonic() - began < 5
        began = time.monotonic()
        assert at_once(lambda _: customer.request("GET")) == [200] * 20
        assert time.monotonic() - began < PAUSE_SECONDS + 5
    finally:
        catalogue.thaw()
    wait_until("there are prices", lambda: customer.cart["totalMinor"] == 5_000, 10)


@pytest.mark.parametrize("how", ["restart", "kill --signal=KILL"])
def test_carts_survive_the_end_of_redis(
    customer: Customer, service: Service, redis: Redis, how: str
) -> None:
    """What was written is there afterwards, also when the server had no time to tidy up."""
    assert at_once(lambda _: customer.add("Linux")) == [200] * 20
    # at once, unless the disk is busy with what was written before
    wait_until("it is written", lambda: "aof_buffer_length:0" in redis.ask("INFO persistence"), 5)
    redis.run(f"systemctl {how} {redis.unit}")
    redis.wait_until_it_answers()
    service.wait_until_ready()
    assert customer.quantities == {"Linux": 20}
    assert customer.add("Linux").status_code == 200
    assert customer.quantities == {"Linux": 21}


def test_without_redis_it_asks_for_patience_and_goes_on_when_it_is_back(
    customer: Customer, service: Service, redis: Redis
) -> None:
    """By itself, without a restart of the service."""
    customer.add("Linux")
    run = service.invocation
    redis.run(f"systemctl stop {redis.unit}")
    try:
        for answer in (customer.request("GET"), customer.add("Linux")):
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) > 0
        assert " 200 " in service.http("/health").splitlines()[0]
        ready = service.http("/ready")
        assert " 503 " in ready.splitlines()[0]
        assert "redis" in ready
    finally:
        redis.run(f"systemctl start {redis.unit}")
        redis.wait_until_it_answers()
    service.wait_until_ready()
    assert customer.quantities == {"Linux": 1}
    assert service.invocation == run


def test_a_full_redis_refuses_changes_and_throws_nothing_away(
    customer: Customer, redis: Redis
) -> None:
    """A customer is asked to come back; everybody's cart stays."""
    customer.add("Linux")
    before = redis.ask("CONFIG GET maxmemory")[1]
    keys = redis.value("DBSIZE")
    redis.ask("CONFIG SET maxmemory 1")
    try:
        answer = customer.add("Linux")
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert customer.quantities == {"Linux": 1}
        assert redis.value("DBSIZE") == keys
    finally:
        redis.ask(f"CONFIG SET maxmemory {before}")
    assert customer.add("Linux").status_code == 200
