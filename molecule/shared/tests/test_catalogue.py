"""The catalogue: what is sold, and its reservations, with many at once and what goes wrong."""

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import pytest

from tests.helpers.ansible import PROJECT
from tests.helpers.hosts import Platform
from tests.helpers.mongodb import MongoDb
from tests.helpers.services import Service, carts, catalogues
from tests.helpers.waiting import stays, wait_until

Json = dict[str, Any]

PRODUCTS: list[Json] = json.loads((PROJECT / "files" / "catalogue" / "products.json").read_text())
BINARY = "/opt/skillupworks/current/bin/catalogue"
FILES = "/etc/skillupworks/catalogue"

LOOK_UP = """
import json, os
from prometheus_client import CollectorRegistry
from skillupworks.shop.catalogue_client import CatalogueMetrics, HttpCatalogue
catalogue = HttpCatalogue(
    os.environ["CATALOGUE_URL"], CatalogueMetrics(CollectorRegistry()), cache_seconds=0)
print(json.dumps({sku: str(found) for sku, found in catalogue.look_up(["Linux", "Cobol"]).items()}))
"""


@pytest.fixture(scope="module")
def store(platform: Platform) -> MongoDb:
    """Return the document store."""
    return MongoDb(platform)


@pytest.fixture(scope="module")
def service(platform: Platform) -> Service:
    """Return the service."""
    return catalogues(platform)[0]


@pytest.fixture(scope="module")
def client(platform: Platform, service: Service) -> Iterator[httpx.Client]:
    """Return a client of the service, spoken to from this machine."""
    url = f"http://{platform.address(service.host)}:8081"
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=0)
    with httpx.Client(base_url=url, timeout=30, trust_env=False, limits=limits) as client:
        yield client


@pytest.fixture
def order() -> str:
    """Return the id of a new order."""
    return new_order()


@pytest.fixture
def short_lived(service: Service) -> Iterator[None]:
    """Let reservations expire after three seconds."""
    with service.changed("Environment=RESERVATION_SECONDS=3 SWEEP_SECONDS=1"):
        service.wait_until_ready()
        yield


def new_order() -> str:
    """Return the id of an order that nobody has had."""
    return f"ORD-test-{uuid.uuid4().hex[:12]}"


def skus(client: httpx.Client, **query: str | int) -> list[str]:
    """Return which products are found, in their order."""
    answer = client.get("/products", params=query)
    assert answer.status_code == 200, answer.text
    return [product["sku"] for product in answer.json()["products"]]


def reserve(client: httpx.Client, order: str, lines: dict[str, int]) -> httpx.Response:
    """Reserve so many of each product."""
    items = [{"sku": sku, "quantity": quantity} for sku, quantity in lines.items()]
    return client.put(f"/reservations/{order}", json={"items": items})


def at_once(action: Callable[[int], httpx.Response], times: int) -> Counter[int]:
    """Do something many times at the same time; return how often each status was answered."""
    with ThreadPoolExecutor(times) as pool:
        return Counter(answer.status_code for answer in pool.map(action, range(times)))


def test_everything_that_the_files_sell_is_shown(client: httpx.Client) -> None:
    """With the prices that are charged, field by field."""
    for product in PRODUCTS[:5]:
        shown = client.get(f"/products/{product['sku']}").json()
        assert (shown["sku"], shown["name"]) == (product["sku"], product["name"])
        assert shown["priceMinor"] == product["price_minor"]
        assert shown["price"] * 100 == product["price_minor"]
        assert shown["currency"] == "INR"
        assert shown["description"] == product["description"]
        assert shown["tags"] == product["tags"]
        assert 0 <= shown["stock"] <= product["stock"]
    slugs = [category["slug"] for category in client.get("/categories").json()["categories"]]
    assert {product["category"] for product in PRODUCTS} == set(slugs)


@pytest.mark.parametrize("limit", [1, 7, 10, 30, 100])
def test_pages_have_every_product_once(client: httpx.Client, limit: int) -> None:
    """Without gaps or repeats, whatever the size of a page."""
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get("/products", params={"limit": limit, "cursor": cursor}).json()
        found += [product["sku"] for product in page["products"]]
        cursor = page["next"]
    assert len(found) == len(set(found))
    assert {product["sku"] for product in PRODUCTS} <= set(found)


def test_a_product_is_found_by_the_words_of_its_name_summary_and_tags(client: httpx.Client) -> None:
    """Case and accents do not matter; all words must be there."""
    assert skus(client, q="linux ADMINISTRATION") == ["Linux"]
    assert "Shell" in skus(client, q="shellcheck")
    assert "Linux" in skus(client, q="nightly backup")
    assert skus(client, q="línux administratiön") == ["Linux"]
    assert skus(client, q="linux nothing-like-it") == []


def test_a_category_is_a_filter(client: httpx.Client) -> None:
    """Alone and with words."""
    data = {product["sku"] for product in PRODUCTS if product["category"] == "data"}
    assert set(skus(client, category="data", limit=100)) == data
    assert set(skus(client, category="data", q="redis")) <= data
    assert skus(client, category="nothing") == []


@pytest.mark.parametrize(
    "text",
    [
        ".*",
        "^",
        "(",
        "[",
        "\\",
        "'",
        '"',
        "{$gt: ''}",
        '{"$where": "sleep(5000)"}',
        "' OR 1=1 --",
        "(a+)+$",
        "%",
        "_%_",
        "💥",
    ],
)
def test_what_is_searched_for_is_text_and_no_pattern(client: httpx.Client, text: str) -> None:
    """Nothing is found by it that does not contain it, and nothing breaks."""
    folded = text.casefold().split()
    for sku in skus(client, q=text, limit=100):
        product = next(product for product in PRODUCTS if product["sku"] == sku)
        content = "\n".join([product["name"], product["summary"], *product["tags"]]).casefold()
        assert all(word in content for word in folded), sku
    assert client.get(f"/products/{text.replace('/', '')}").status_code == 404


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/products?limit=0", "limit"),
        ("/products?limit=x", "limit"),
        ("/products?cursor=x", "cursor"),
        ("/products?q=%00", "q"),
        ("/products?q=" + "a" * 101, "q"),
        ("/products?category%5B%24ne%5D=&limit=-1", "limit"),
    ],
)
def test_a_wrong_parameter_is_named(client: httpx.Client, path: str, field: str) -> None:
    """In a problem document."""
    answer = client.get(path)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_the_cart_understands_it(platform: Platform) -> None:
    """Asked by its own program from its own host, as the firewall lets it."""
    found = carts(platform)[0].python(LOOK_UP)
    assert "price=199900" in found["Linux"]
    assert found["Cobol"] == "Absent.UNKNOWN"


def test_an_answer_may_be_kept_and_asked_for_again(client: httpx.Client) -> None:
    """It is only sent when it is another one."""
    answer = client.get("/products/Git")
    assert answer.headers["cache-control"] == "public, max-age=10"
    known = {"If-None-Match": answer.headers["etag"]}
    assert client.get("/products/Git", headers=known).status_code == 304


def test_a_reservation_is_held_sold_and_cannot_be_given_back_then(
    client: httpx.Client, store: MongoDb, order: str
) -> None:
    """Each step may be repeated, and has its effect once."""
    with store.product(5) as sku:
        for _ in range(3):
            assert reserve(client, order, {sku: 2}).json()["state"] == "held"
        assert client.get(f"/products/{sku}").json()["stock"] == 3
        for _ in range(3):
            assert client.post(f"/reservations/{order}/commit").status_code == 200
        assert client.delete(f"/reservations/{order}").json()["code"] == "committed"
        other = new_order()
        reserve(client, other, {sku: 3})
        for _ in range(3):
            assert client.delete(f"/reservations/{other}").status_code == 204
        assert (store.stock(sku), store.holds(sku)) == (3, 0)


def test_all_or_nothing(client: httpx.Client, store: MongoDb, order: str) -> None:
    """When one product is short, none of the others is held."""
    with store.product(5) as first, store.product(1) as second:
        answer = reserve(client, order, {first: 2, second: 2})
        assert answer.status_code == 409
        assert answer.json()["code"] == "out_of_stock"
        assert answer.json()["errors"][0]["field"] == "items[1].quantity"
        assert (store.stock(first), store.stock(second)) == (5, 1)
        assert store.holds(first) == 0


def test_of_fifty_buyers_at_once_ten_get_the_last_ten(client: httpx.Client, store: MongoDb) -> None:
    """Of each of two products."""
    with store.product(10) as first, store.product(10) as second:
        lines = {first: 1, second: 1}
        answers = at_once(lambda _: reserve(client, new_order(), lines), 50)
        assert answers == {200: 10, 409: 40}
        assert (store.stock(first), store.stock(second)) == (0, 0)
        assert (store.holds(first), store.holds(second)) == (10, 10)


def test_of_two_buyers_one_gets_the_last_one(client: httpx.Client, store: MongoDb) -> None:
    """Twenty times; each time it is given back."""
    with store.product(1) as sku:
        for _ in range(20):
            orders = [new_order(), new_order()]
            answers = at_once(
                lambda number, orders=orders: reserve(client, orders[number], {sku: 1}),  # type: ignore[misc]
                2,
            )
            assert answers == {200: 1, 409: 1}
            for order in orders:
                assert client.delete(f"/reservations/{order}").status_code == 204


def test_twenty_requests_for_one_order_hold_it_once(
    client: httpx.Client, store: MongoDb, order: str
) -> None:
    """However they overlap."""
    with store.product(50) as sku:
        answers = at_once(lambda _: reserve(client, order, {sku: 2}), 20)
        assert answers == {200: 20}
        assert (store.stock(sku), store.holds(sku)) == (48, 1)


@pytest.mark.usefixtures("short_lived")
def test_what_nobody_commits_is_given_back(
    client: httpx.Client, store: MongoDb, order: str
) -> None:
    """After its time and not before; what was sold in time stays sold."""
    with store.product(5) as sku:
        sold = new_order()
        reserve(client, sold, {sku: 1})
        client.post(f"/reservations/{sold}/commit")
        reserve(client, order, {sku: 2})
        stays("it is held", lambda: store.stock(sku) == 2, 1)
        wait_until("it is given back", lambda: store.stock(sku) == 4, 15)
        stays("it is given back once", lambda: store.stock(sku) == 4, 3)
        answer = client.post(f"/reservations/{order}/commit")
        assert (answer.status_code, answer.json()["code"]) == (409, "expired")


@pytest.mark.usefixtures("short_lived")
def test_a_service_that_is_killed_again_and_again_loses_no_piece(
    client: httpx.Client, service: Service, store: MongoDb
) -> None:
    """In the middle of reservations of several products."""
    with store.product(500) as first, store.product(500) as second:
        lines = {first: 1, second: 2}
        sold = 0

        def buy() -> bool:
            order = new_order()
            try:
                if reserve(client, order, lines).status_code != 200:
                    return False
                return client.post(f"/reservations/{order}/commit").status_code == 200
            except httpx.HTTPError:
                return False

        for _ in range(3):
            with ThreadPoolExecutor(10) as pool:
                buyers = [pool.submit(buy) for _ in range(60)]
                wait_until("some are sold", partial(_are_sold, buyers, 5))
                service.run("systemctl kill --signal=KILL catalogue")
            sold += sum(buyer.result() for buyer in buyers)
            service.start()
        wait_until("nothing is held", lambda: store.holds(first) + store.holds(second) == 0, 90)
        reserved = sorted((first, second))
        committed = store.ask(
            f"sum(found['skus'] == {reserved!r}"
            " for found in db.reservations.find({'state': 'committed'}))"
        )
        # a commit may have been made whose answer was lost
        assert committed >= sold
        assert store.stock(first) == 500 - committed
        assert store.stock(second) == 500 - 2 * committed


def _are_sold(buyers: list[Future[bool]], least: int) -> bool:
    return sum(buyer.result() for buyer in buyers if buyer.done()) >= least


def test_nothing_that_was_answered_is_lost_when_the_database_is_killed(
    client: httpx.Client, service: Service, store: MongoDb
) -> None:
    """Neither what is held nor what is sold; afterwards it goes on by itself."""
    run = service.invocation
    with store.product(100) as sku:
        held, sold = ([new_order() for _ in range(10)] for _ in range(2))
        for order in held + sold:
            assert reserve(client, order, {sku: 1}).status_code == 200
        for order in sold:
            assert client.post(f"/reservations/{order}/commit").status_code == 200
        store.run(f"systemctl kill --signal=KILL {store.unit}")
        store.wait_until_it_answers()
        service.wait_until_ready()
        assert store.stock(sku) == 80
        assert [client.post(f"/reservations/{each}/commit").status_code for each in held] == [
            200
        ] * 10
        assert [client.delete(f"/reservations/{each}").status_code for each in sold] == [409] * 10
        assert (store.stock(sku), store.holds(sku)) == (80, 0)
    assert service.invocation == run


def test_without_the_database_it_asks_for_patience_and_goes_on_when_it_is_back(
    client: httpx.Client, service: Service, store: MongoDb, order: str
) -> None:
    """By itself, without a restart of the service."""
    run = service.invocation
    store.run(f"systemctl stop {store.unit}")
    try:
        for answer in (client.get("/products"), reserve(client, order, {"Linux": 1})):
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) > 0
        assert client.get("/health").status_code == 200
        assert "mongodb" in client.get("/ready").json()["checks"]
        assert client.get("/ready").status_code == 503
    finally:
        store.run(f"systemctl start {store.unit}")
        store.wait_until_it_answers()
    service.wait_until_ready()
    assert skus(client, q="linux administration") == ["Linux"]
    assert service.invocation == run


@pytest.mark.parametrize(
    ("items", "field"),
    [
        ([], "items"),
        ([{"sku": "Linux", "quantity": 0}], "items[0].quantity"),
        ([{"sku": "Linux", "quantity": "1"}], "items[0].quantity"),
        ([{"sku": "Linux", "quantity": True}], "items[0].quantity"),
        ([{"sku": "Linux", "quantity": 10**30}], "items[0].quantity"),
        ([{"sku": {"$ne": None}, "quantity": 1}], "items[0].sku"),
        ([{"sku": ["Linux"], "quantity": 1}], "items[0].sku"),
        ([{"sku": "Cobol", "quantity": 1}], "items[0].sku"),
        ("Linux", "items"),
        (None, "items"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_by_its_field(
    client: httpx.Client, order: str, items: object, field: str
) -> None:
    """In a problem document; nothing is reserved."""
    answer = client.put(f"/reservations/{order}", json={"items": items})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert client.post(f"/reservations/{order}/commit").status_code in {404, 409}


def test_a_huge_body_is_refused(client: httpx.Client, order: str) -> None:
    """Without reading a megabyte into memory first."""
    answer = client.put(f"/reservations/{order}", content=b"x" * 1_000_000)
    assert answer.status_code == 413


def test_another_deployment_leaves_what_was_sold_sold(
    client: httpx.Client, service: Service, order: str
) -> None:
    """It says that there is nothing to do; and a delivery is added to what is left."""

    def migrate(folder: str) -> str:
        return service.run(f"{service.environment()} CATALOGUE_FOLDER={folder} {BINARY} --migrate")

    def stock() -> int:
        return int(client.get("/products/Git").json()["stock"])

    delivered = next(product["stock"] for product in PRODUCTS if product["sku"] == "Git")
    before = stock()
    reserve(client, order, {"Git": 2})
    client.post(f"/reservations/{order}/commit")
    assert migrate(FILES) == "catalogue: up to date"
    assert stock() == before - 2

    changed = "/run/test-catalogue"
    edit = f's/"stock": {delivered},/"stock": {delivered + 2},/'
    service.run(f"cp -r {FILES} {changed}; sed --in-place '{edit}' {changed}/products.json")
    try:
        assert "upgraded" in migrate(changed)
        assert migrate(changed) == "catalogue: up to date"
        assert stock() == before
    finally:
        service.run(f"rm -r {changed}")
        migrate(FILES)
    assert stock() == before - 2
