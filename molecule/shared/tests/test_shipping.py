"""The shipping service: places from the real database, quotes, and what it says to bad requests."""

from collections.abc import Iterator

import httpx
import pytest

from tests.helpers.database import Database
from tests.helpers.hosts import Platform
from tests.helpers.parts import Parts
from tests.helpers.services import shippings
from tests.helpers.waiting import wait_until

BENGALURU, MUMBAI, ZURICH = 1277333, 1275339, 2657896


@pytest.fixture(scope="module")
def shipping(platform: Platform) -> Iterator[httpx.Client]:
    """Return a client of the service, spoken to from this machine."""
    address = platform.address(shippings(platform)[0].host)
    with httpx.Client(base_url=f"http://{address}:8085", timeout=20, trust_env=False) as client:
        yield client


def names(client: httpx.Client, **query: str | int) -> list[str]:
    """Return the cities that are found."""
    answer = client.get("/cities", params=query)
    assert answer.status_code == 200, answer.text
    return [city["name"] for city in answer.json()["cities"]]


def test_india_is_among_the_countries_and_has_at_least_300_cities(
    shipping: httpx.Client, database: Database
) -> None:
    """As many as the migration has put there; others have theirs."""
    codes = [country["code"] for country in shipping.get("/countries").json()["countries"]]
    assert "IN" in codes
    assert len(codes) == len(set(codes)) > 20
    assert database.count("shipping.cities", "country = 'IN'") >= 300
    for code in codes:
        assert names(shipping, country=code, limit=1), code


def test_a_city_is_found_however_it_is_typed(shipping: httpx.Client) -> None:
    """Case and accents do not matter, and nothing in it is a pattern."""
    assert names(shipping, country="IN", q="bengal")[0] == "Bengaluru"
    assert names(shipping, country="IN", q="HYDERABAD") == ["Hyderabad"]
    assert names(shipping, country="CH", q="zurich") == ["Zürich"]
    for text in ("%", "_", "\\", "'", "' OR 1=1 -- ", "\x00", "💥"):
        assert names(shipping, country="IN", q=text) == [], text


def test_a_quote_is_the_same_each_time_and_the_sum_of_its_parts(shipping: httpx.Client) -> None:
    """Far and heavy costs more than near and light."""
    near = shipping.get("/quotes", params={"city": BENGALURU, "weight": 500}).json()
    far = shipping.get("/quotes", params={"city": MUMBAI, "weight": 1_200}).json()
    abroad = shipping.get("/quotes", params={"city": ZURICH, "weight": 500}).json()

    assert far == shipping.get("/quotes", params={"city": MUMBAI, "weight": 1_200}).json()
    assert (near["distanceKm"], far["distanceKm"]) == (0, 845)
    assert near["priceMinor"] < far["priceMinor"] < abroad["priceMinor"]
    for quote in (near, far, abroad):
        assert quote["priceMinor"] == sum(part["priceMinor"] for part in quote["parts"])
        assert quote["currency"] == "INR"


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/quotes?city=5&weight=500", 404, "city"),
        ("/quotes?city=1277333&weight=0", 422, "weight"),
        ("/quotes?city=1277333&weight=30001", 422, "weight"),
        ("/cities?country=India", 422, "country"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(
    shipping: httpx.Client, path: str, status: int, field: str
) -> None:
    """In a problem document."""
    answer = shipping.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_without_the_database_it_asks_for_patience_and_answers_when_it_is_back(
    shipping: httpx.Client, parts: Parts
) -> None:
    """It goes on by itself."""
    parts.on_database(f"systemctl stop {parts.database.unit}")
    try:
        answer = shipping.get("/countries")
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert shipping.get("/health").status_code == 200
        assert "mysql" in shipping.get("/ready").json()["checks"]
    finally:
        parts.on_database(f"systemctl start {parts.database.unit}")
        parts.wait_until_ready()
    wait_until("shipping is ready", lambda: shipping.get("/ready").status_code == 200)
    assert shipping.get("/countries").status_code == 200
