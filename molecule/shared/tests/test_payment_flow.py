"""Paying: whose order it is, what is charged for it and what is sold, and what goes wrong."""

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import Random
from threading import Event

import httpx
import pytest

from tests.helpers.database import Database
from tests.helpers.hosts import Platform
from tests.helpers.journal import Journal
from tests.helpers.mongodb import MongoDb
from tests.helpers.redis import Redis
from tests.helpers.services import Service, catalogues, shippings
from tests.helpers.shop import (
    ADDRESS,
    CHARGED,
    DECIDED_LATER,
    DECLINED,
    MUMBAI,
    UNANSWERED,
    Json,
    Shop,
    bearer,
    order_of,
)
from tests.helpers.waiting import wait_until

PROBLEM = "application/problem+json"
CARDS = (CHARGED, DECLINED, UNANSWERED, DECIDED_LATER)
# so that nobody waits for what takes minutes in a shop
SHORT = "GATEWAY_TIMEOUT_SECONDS=1 SIMULATED_WEBHOOK_SECONDS=1 ABANDON_AFTER_SECONDS=10"
SETTLED_WITHIN_SECONDS = 90.0
KILLS = 6
BUYERS = 12
ORDERS_OF_EACH = 8


@pytest.fixture
def guest(shop: Shop) -> Iterator[Shop]:
    """Return the shop as a guest has it who has ordered nothing yet."""
    guest = shop.another()
    yield guest
    guest.close()


@pytest.fixture(scope="module")
def store(platform: Platform) -> MongoDb:
    """Return the catalogue's store."""
    return MongoDb(platform)


@pytest.fixture(scope="module")
def redis(platform: Platform) -> Redis:
    """Return where sessions are."""
    return Redis(platform)


@pytest.fixture(scope="module")
def impatient(payment: Service) -> Iterator[Service]:
    """Return the payment service, whose gateway and settler take seconds only."""
    with payment.changed(f"Environment={SHORT}\\nRestartSec=1"):
        payment.wait_until_ready()
        yield payment


# Whose order it is


def test_without_a_session_nothing_is_paid_or_shown(shop: Shop, guest: Shop) -> None:
    """Neither without a token nor with one that nobody was given."""
    placed = guest.place()
    nobody = httpx.Client(base_url=str(shop.get("/health").url.join("/")), trust_env=False)
    for headers in ({}, bearer("no such token")):
        paths = (f"/orders/{placed['orderId']}", f"/payments/{placed['paymentId']}", "/orders")
        answers = [nobody.get(path, headers=headers) for path in paths]
        key = {"Idempotency-Key": str(uuid.uuid4())}
        answers.append(nobody.post("/payments", json=order_of("Linux"), headers=headers | key))
        for answer in answers:
            _problem(answer, 401)
            assert answer.headers["www-authenticate"] == "Bearer"
    nobody.close()


def test_a_session_that_has_expired_pays_nothing(shop: Shop, redis: Redis) -> None:
    """It worked a moment ago."""
    owner = f"test-{uuid.uuid4().hex}"
    headers = bearer(redis.begin_session(owner, seconds=3))
    assert shop.get("/orders", headers=headers).json() == {"orders": [], "next": None}
    wait_until(
        "the session has expired",
        lambda: shop.get("/orders", headers=headers).status_code == 401,
        10,
    )
    _problem(shop.post(order_of("Linux"), headers=headers), 401)


def test_somebody_elses_order_is_as_if_it_were_not_there(shop: Shop, guest: Shop) -> None:
    """The answer is letter by letter that of an order that nobody has made."""
    placed = guest.place()
    for kind, name in (("orders", "orderId"), ("payments", "paymentId")):
        others = _problem(shop.get(f"/{kind}/{placed[name]}"), 404)
        unknown = placed[name][:-4] + "zzzz"
        nobodys = _problem(shop.get(f"/{kind}/{unknown}"), 404)
        assert others["detail"].replace(placed[name], unknown) == nobodys["detail"]
        assert guest.get(f"/{kind}/{placed[name]}").status_code == 200
    _problem(shop.get(f"/orders?userId={guest.guest.id}"), 404)
    assert placed["orderId"] not in shop.get("/orders?limit=100").text


def test_a_key_of_somebody_else_cannot_be_used(guest: Shop, shop: Shop, database: Database) -> None:
    """Not even to learn what it was used for."""
    key, body = str(uuid.uuid4()), order_of("Linux")
    placed = guest.pay(body, key).json()
    refused = _problem(shop.post(body, key=key), 422)
    assert refused["errors"][0]["field"] == "Idempotency-Key"
    assert placed["orderId"] not in json.dumps(refused)
    assert len(database.charges(guest.guest.id)) == 1


def test_a_guest_has_a_list_of_the_own_orders(guest: Shop) -> None:
    """Newest first, page by page."""
    placed = [guest.place()["orderId"] for _ in range(3)]
    found, cursor = [], ""
    while cursor is not None:
        page = guest.get(f"/orders?userId={guest.guest.id}&limit=2&cursor={cursor}").json()
        found += [order["orderId"] for order in page["orders"]]
        cursor = page["next"]
    assert found == placed[::-1]


# What is charged


def test_what_the_client_says_about_money_is_ignored_and_noted(
    guest: Shop, journal: Journal, payment: Service, database: Database
) -> None:
    """The price is the catalogue's; the request's line says what was ignored."""
    body = order_of("Linux") | {"total": 1}
    body["items"][0] |= {"price": 1, "priceMinor": 100}
    placed = guest.pay(body).json()
    assert placed["totalMinor"] == 199900
    assert database.charges(guest.guest.id) == {placed["paymentId"]: 199900}
    (ignored,) = {
        entry["IGNORED"]
        for entry in journal.requests(payment.host, placed["orderId"])
        if "IGNORED" in entry
    }
    assert {name.strip().rpartition(".")[2] for name in ignored.split(",")} == {
        "price",
        "priceMinor",
        "total",
    }


def test_shipping_to_a_city_costs_what_shipping_says(guest: Shop, platform: Platform) -> None:
    """Asked with the weight of everything that is bought."""
    catalogue, shipping = (
        f"http://{platform.address(services(platform)[0].host)}:{port}"
        for services, port in ((catalogues, 8081), (shippings, 8085))
    )
    weight = 2 * _get(f"{catalogue}/products/Git")["weightGrams"]
    quote = _get(f"{shipping}/quotes?city={MUMBAI}&weight={weight}")
    answer = guest.pay(order_of("Git", "Git") | {"shipping": {"city": MUMBAI}})
    assert answer.status_code == 201, answer.text
    assert answer.json()["totalMinor"] == 2 * 79900 + quote["priceMinor"]


@pytest.mark.parametrize("card", [CHARGED, DECIDED_LATER])
def test_where_it_goes_is_kept_with_the_order_and_shown_to_its_owner(
    guest: Shop, shop: Shop, database: Database, card: str
) -> None:
    """What the warehouse is told is made of the order's row; earlier orders have none."""
    where = ADDRESS | {"city": "Mumbai", "region": "Maharashtra", "country": "IN"}
    body = order_of("Git", card=card) | {"shipping": {"city": MUMBAI, "address": ADDRESS}}
    answer = guest.pay(body)
    assert answer.status_code == 201, answer.text
    order_id = answer.json()["orderId"]
    guest.wait_until_processed(order_id)
    assert guest.get(f"/orders/{order_id}").json()["shippingAddress"] == where
    for table in ("payments.payments", "orders.orders"):
        stored = f"SELECT HEX(address) FROM {table} WHERE order_id = '{order_id}'"  # noqa: S608
        assert json.loads(bytes.fromhex(database.value(stored))) == where
    assert shop.get(f"/orders/{order_id}").status_code == 404
    without = guest.place("Git")["orderId"]
    assert guest.get(f"/orders/{without}").json()["shippingAddress"] is None


def test_an_address_is_in_no_journal(
    guest: Shop, platform: Platform, payment: Service, processors: list[Service]
) -> None:
    """Neither that of an order that is processed nor that of one that is refused."""
    street = f"{uuid.uuid4().hex} Road"
    address = ADDRESS | {"street": street}
    body = order_of("Git") | {"shipping": {"city": MUMBAI, "address": address}}
    answer = guest.pay(body)
    assert answer.status_code == 201, answer.text
    guest.wait_until_processed(answer.json()["orderId"])
    wrong = {"city": MUMBAI, "address": address | {"phone": "call me"}}
    _problem(guest.post(body | {"shipping": wrong}), 422)
    for host in {service.host for service in (payment, *processors)} | {
        *platform.group("frontend")
    }:
        # sudo logs this command as well, which must not find itself
        pattern = f"[{street[0]}]{street[1:]}"
        found = f"journalctl -q --boot --all --output=export | grep --count '{pattern}' || true"
        assert platform.run(host, found).strip() == "0"


def test_a_price_that_is_not_the_one_shown_is_not_charged(
    guest: Shop, store: MongoDb, database: Database
) -> None:
    """Nothing stays reserved, and what is right succeeds."""
    with store.product(stock=1) as sku:
        body = order_of(sku)
        problem = _problem(guest.post(body | {"expectedTotalMinor": 99}), 409)
        assert problem["code"] == "price_changed"
        assert database.charges(guest.guest.id) == {}
        wait_until("nothing is held", lambda: store.holds(sku) == 0)
        assert guest.pay(body | {"expectedTotalMinor": 100}).status_code == 201


def test_of_a_card_four_digits_are_kept(
    guest: Shop, platform: Platform, database: Database, payment: Service
) -> None:
    """The rest is neither in the database nor in a journal."""
    number = "4000056655665556"
    body = order_of("Linux") | {"card": {"number": number, "expiry": "12/34", "cvc": "973"}}
    assert guest.pay(body).status_code == 201
    dump = "$(command -v mariadb-dump || command -v mysqldump) --skip-lock-tables payments"
    journal = "journalctl --quiet --boot --unit=payment --output=export"
    for host, look in ((platform.only("mysql"), dump), (payment.host, journal)):
        known = f"{look} | grep --text --count --fixed-strings "
        assert int(platform.run(host, f"{known} payment")) > 0
        assert int(platform.run(host, f"{known} {number} || true")) == 0
    assert len(database.charges(guest.guest.id)) == 1


def test_a_double_click_is_one_order_and_one_charge(guest: Shop, database: Database) -> None:
    """Two requests at the same time with one key."""
    key, body = str(uuid.uuid4()), order_of("Linux")
    with ThreadPoolExecutor(2) as pool:
        answers = [*pool.map(lambda _: guest.pay(body, key), range(2))]
    assert [answer.status_code for answer in answers] == [201, 201]
    placed = answers[0].json()
    assert answers[1].json() == placed
    assert database.charges(guest.guest.id) == {placed["paymentId"]: placed["totalMinor"]}
    assert len(guest.get("/orders").json()["orders"]) == 1
    guest.wait_until_processed(placed["orderId"])


def test_a_gateway_that_does_not_answer_has_charged_once(
    impatient: Service, guest: Shop, database: Database
) -> None:
    """The customer is told to wait, the order becomes paid, and repeating charges nothing."""
    assert impatient.ready()
    key, body = str(uuid.uuid4()), order_of("Linux", card=UNANSWERED)
    first = guest.post(body, key=key)
    assert first.status_code == 202, first.text
    assert first.json()["state"] == "accepted"
    guest.wait_until_processed(first.json()["orderId"], seconds=SETTLED_WITHIN_SECONDS)
    answer = guest.pay(body, key)
    assert answer.status_code == 201
    assert answer.json()["orderId"] == first.json()["orderId"]
    assert [*database.charges(guest.guest.id)] == [first.json()["paymentId"]]


def test_what_the_bank_decides_later_is_paid_when_the_gateway_says_so(
    impatient: Service, guest: Shop
) -> None:
    """Nobody has to ask again: the gateway calls."""
    assert impatient.ready()
    answer = guest.post(order_of("Linux", card=DECIDED_LATER))
    assert answer.status_code == 202, answer.text
    guest.wait_until_processed(answer.json()["orderId"], seconds=SETTLED_WITHIN_SECONDS)


def test_a_card_that_is_declined_gives_the_stock_back(
    guest: Shop, store: MongoDb, database: Database
) -> None:
    """The order says why; the same request again is told the same."""
    key = str(uuid.uuid4())
    with store.product(stock=2) as sku:
        body = order_of(sku, sku, card=DECLINED)
        problem = _problem(guest.post(body, key=key), 402)
        assert problem["code"] == "card_declined"
        wait_until("the stock is back", lambda: (store.stock(sku), store.holds(sku)) == (2, 0))
        assert _problem(guest.post(body, key=key), 402)["code"] == "card_declined"
        assert store.stock(sku) == 2
    (order,) = guest.get("/orders").json()["orders"]
    assert (order["state"], order["reason"]) == ("rejected", "card_declined")
    assert database.charges(guest.guest.id) == {}


# What is sold


def test_the_last_piece_is_sold_to_one_of_two(
    shop: Shop, guest: Shop, store: MongoDb, database: Database
) -> None:
    """The other is told which product is out of stock, and pays nothing."""
    before = database.charges(shop.guest.id)
    with store.product(stock=1) as sku, ThreadPoolExecutor(2) as pool:
        answers = pool.map(lambda buyer: buyer.pay(order_of(sku)), (shop, guest))
        sold, refused = sorted(answers, key=lambda answer: answer.status_code)
        assert sold.status_code == 201, sold.text
        problem = _problem(refused, 409)
        assert problem["code"] == "out_of_stock"
        assert problem["errors"][0]["field"] == "items[0].quantity"
        wait_until("it is sold", lambda: (store.stock(sku), store.holds(sku)) == (0, 0))
    charges = len(database.charges(shop.guest.id)) + len(database.charges(guest.guest.id))
    assert charges == len(before) + 1


def test_two_pieces_are_sold_to_both(shop: Shop, guest: Shop, store: MongoDb) -> None:
    """And to nobody after them, until more has come."""
    with store.product(stock=2) as sku:
        with ThreadPoolExecutor(2) as pool:
            answers = [*pool.map(lambda buyer: buyer.pay(order_of(sku)), (shop, guest))]
        assert [answer.status_code for answer in answers] == [201, 201]
        key, body = str(uuid.uuid4()), order_of(sku)
        _problem(guest.post(body, key=key), 409)
        wait_until("both are sold", lambda: (store.stock(sku), store.holds(sku)) == (0, 0))
        store.ask(
            f"db.products.update_one({{'_id': {sku!r}}}, {{'$inc': {{'stock': 1}}}}).matched_count"
        )
        assert guest.pay(body, key).status_code == 201
        wait_until("it is sold", lambda: (store.stock(sku), store.holds(sku)) == (0, 0))


def test_monitoring_sees_what_became_of_requests(payment: Service, guest: Shop) -> None:
    """By outcome, and how long the gateway took."""
    key, body = str(uuid.uuid4()), order_of("Linux")
    assert [guest.pay(body, key).status_code for _ in range(2)] == [201, 201]
    assert guest.pay(order_of("Linux", card=DECLINED)).status_code == 402
    metrics = payment.http("/metrics")
    for outcome in ("paid", "repeated", "declined"):
        assert f'skillupworks_payments_total{{outcome="{outcome}"}}' in metrics
    for name in ("skillupworks_gateway_seconds_count", "skillupworks_orders_without_stock_total"):
        assert name in metrics


# What goes wrong


@pytest.mark.parametrize("unit", ["catalogue", "shipping"])
def test_without_catalogue_or_shipping_customers_are_asked_for_patience(
    platform: Platform, payment: Service, guest: Shop, database: Database, unit: str
) -> None:
    """Nothing is charged; the same request succeeds afterwards."""
    (service,) = {"catalogue": catalogues, "shipping": shippings}[unit](platform)
    key, body = str(uuid.uuid4()), order_of("Git") | {"shipping": {"city": MUMBAI}}
    service.stop()
    try:
        began = time.monotonic()
        problem = guest.post(body, key=key)
        assert time.monotonic() - began < 10
        _problem(problem, 503)
        assert int(problem.headers["retry-after"]) > 0
        wait_until("payment says so", lambda: unit in payment.http("/ready"))
        assert payment.http("/health").splitlines()[0].split()[1] == "200"
        assert database.charges(guest.guest.id) == {}
    finally:
        service.start()
        payment.wait_until_ready()
    assert _patient(guest, body, key).status_code == 201
    assert len(database.charges(guest.guest.id)) == 1


def test_orders_and_sessions_survive_a_restart_of_redis(
    redis: Redis, payment: Service, guest: Shop, database: Database
) -> None:
    """While it is away customers are asked for patience."""
    redis.run(f"systemctl stop {redis.unit}")
    try:
        answer = guest.post(order_of("Linux"))
        _problem(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
        assert "redis" in payment.http("/ready")
    finally:
        redis.run(f"systemctl start {redis.unit}")
        redis.wait_until_it_answers()
        payment.wait_until_ready()
    assert database.charges(guest.guest.id) == {}
    assert _patient(guest, order_of("Linux"), str(uuid.uuid4())).status_code == 201


def test_only_the_gateway_can_say_that_an_order_is_paid(
    shop: Shop, platform: Platform, guest: Shop
) -> None:
    """A webhook that is unsigned, signed with another secret, changed or old changes nothing."""
    secret = platform.secrets["vault_gateway_webhook_secret"]
    body = json.dumps({"paymentId": guest.place()["paymentId"], "state": "captured"}).encode()
    now = int(time.time())
    for headers in (
        {},
        {"Gateway-Signature": "nonsense"},
        _signed(body, "another secret", now),
        _signed(body + b" ", secret, now),
        _signed(body, secret, now - 3600),
        _signed(body, secret, now + 3600),
    ):
        _problem(_webhook(shop, body, headers), 401)


def test_whatever_moment_payment_is_killed_at_charges_are_orders_and_stock_is_sold(
    shop: Shop, impatient: Service, store: MongoDb, database: Database
) -> None:
    """Many guests pay with all cards while the service is killed again and again."""
    guests = [shop.another() for _ in range(BUYERS)]
    stock = BUYERS * ORDERS_OF_EACH * 3
    random = Random("payment is killed")  # noqa: S311 - moments, not a secret
    with store.product(stock=stock) as sku:
        with (
            ThreadPoolExecutor(BUYERS + 1) as pool,
            _killed(impatient, pool, random) as kills,
        ):
            paid = [
                payment_id
                for found in pool.map(lambda buyer: _buy_all(buyer, sku), guests)
                for payment_id in found
            ]
        assert kills, "the service was never killed"
        impatient.wait_until_ready()
        wait_until(
            "everything is settled", lambda: database.unsettled() == 0, SETTLED_WITHIN_SECONDS
        )
        orders: dict[str, int] = {}
        sold = 0
        for buyer in guests:
            orders |= (found := database.paid(buyer.guest.id))
            assert database.charges(buyer.guest.id) == found
            sold += database.sold(buyer.guest.id).get(sku, 0)
        assert paid
        assert set(paid) <= orders.keys()
        assert database.charges_without_order() == 0
        wait_until("nothing is held", lambda: store.holds(sku) == 0)
        assert store.stock(sku) == stock - sold
    for buyer in guests:
        orders_of_buyer = buyer.get("/orders?limit=100").json()["orders"]
        buyer.wait_until_processed(
            *(order["orderId"] for order in orders_of_buyer if order["state"] != "rejected"),
            seconds=SETTLED_WITHIN_SECONDS,
        )
        buyer.close()


@contextmanager
def _killed(service: Service, pool: ThreadPoolExecutor, random: Random) -> Iterator[list[int]]:
    """Kill the service at random moments, until the end or until it was often enough."""
    ended, kills = Event(), list[int]()

    def kill() -> None:
        while len(kills) < KILLS and not ended.wait(random.uniform(0.2, 2.5)):
            kills.append(service.pid)
            service.run(f"systemctl kill --signal=KILL {service.unit}")
            wait_until("it has another process", lambda: service.pid not in (0, kills[-1]))
            service.wait_until_ready()

    killer = pool.submit(kill)
    try:
        yield kills
    finally:
        ended.set()
        killer.result()


def _buy_all(buyer: Shop, sku: str) -> list[str]:
    """Order with one card after the other; return the payments that are said to be paid."""
    paid = []
    for number in range(ORDERS_OF_EACH):
        card = CARDS[number % len(CARDS)]
        answer = _patient(buyer, order_of(*[sku] * (1 + number % 3), card=card), str(uuid.uuid4()))
        if answer.status_code == 201:
            assert card != DECLINED
            paid.append(answer.json()["paymentId"])
        else:
            # declined, or given up by the settler while the service was away
            assert answer.status_code in (402, 409), answer.text
            assert card == DECLINED or "abandoned" in answer.text, answer.text
    return paid


def _patient(buyer: Shop, body: Json, key: str) -> httpx.Response:
    """Send a request until it is decided, also when the service is away; return the answer."""

    def decided() -> list[httpx.Response]:
        try:
            answer = buyer.post(body, key=key)
        except httpx.TransportError:
            return []
        return [] if answer.status_code in (202, 502, 503, 504) else [answer]

    (answer,) = wait_until("the order is decided", decided, SETTLED_WITHIN_SECONDS)
    return answer


def _webhook(shop: Shop, body: bytes, headers: dict[str, str]) -> httpx.Response:
    url = shop.get("/health").url.join("/webhooks/gateway")
    sent = {"Content-Type": "application/json"} | headers
    return httpx.post(url, content=body, headers=sent, trust_env=False)


def _signed(body: bytes, secret: str, at: int) -> dict[str, str]:
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Gateway-Signature": f"t={at},v1={digest}"}


def _get(url: str) -> Json:
    answer = httpx.get(url, timeout=20, trust_env=False)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def _problem(answer: httpx.Response, status: int) -> Json:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    problem: Json = answer.json()
    return problem
