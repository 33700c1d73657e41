"""The HTTP interface of shipping: places, quotes, and what it says to what is wrong."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from skillupworks.errors import StoreUnavailableError
from skillupworks.runtime.health import Readiness
from skillupworks.shop.quotes import Place
from skillupworks.shop.shipping_api import create_app
from skillupworks.shop.shipping_store import City, Country

BENGALURU = City(1277333, "IN", "Bengaluru", "Karnataka", Place(12.97194, 77.59369))
MUMBAI = City(1275339, "IN", "Mumbai", "Maharashtra", Place(19.07283, 72.88261))
ZURICH = City(2657896, "CH", "Zürich", "", Place(47.36667, 8.55))


class MemoryPlaces:
    """A PlaceStore in memory; `problem` is why it does not answer."""

    def __init__(self) -> None:
        self.problem: str | None = None

    def countries(self) -> list[Country]:
        self._answer()
        return [Country("IN", "India"), Country("CH", "Switzerland")]

    def cities(self, country: str, beginning: str, limit: int) -> list[City]:
        self._answer()
        return [
            city
            for city in (BENGALURU, MUMBAI, ZURICH)
            if city.country == country and city.name.lower().startswith(beginning.lower())
        ][:limit]

    def city(self, city_id: int) -> City | None:
        self._answer()
        every = {city.city_id: city for city in (BENGALURU, MUMBAI, ZURICH)}
        return every.get(city_id)

    def check(self) -> str | None:
        return self.problem

    def _answer(self) -> None:
        if self.problem:
            raise StoreUnavailableError(self.problem)


@pytest.fixture
def store() -> MemoryPlaces:
    """Return a store with three cities."""
    return MemoryPlaces()


@pytest.fixture
def client(store: MemoryPlaces, events: list[Any]) -> Iterator[TestClient]:
    """Return a client of a service whose parcels come from Bengaluru."""
    del events  # captured, so that requests do not print
    readiness = Readiness(checks={"mysql": store.check}, degraded={})
    app = create_app(store, BENGALURU.place, readiness, CollectorRegistry())
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_the_countries_are_listed(client: TestClient) -> None:
    assert client.get("/countries").json() == {
        "countries": [{"code": "IN", "name": "India"}, {"code": "CH", "name": "Switzerland"}]
    }


def test_cities_are_found_by_how_their_names_begin(client: TestClient) -> None:
    answer = client.get("/cities", params={"country": "IN", "q": "mum"}).json()

    assert answer == {
        "cities": [
            {
                "id": 1275339,
                "country": "IN",
                "name": "Mumbai",
                "region": "Maharashtra",
                "latitude": 19.07283,
                "longitude": 72.88261,
            }
        ]
    }


def test_there_are_no_more_than_asked_for(client: TestClient) -> None:
    answer = client.get("/cities", params={"country": "IN", "limit": 1}).json()

    assert [city["name"] for city in answer["cities"]] == ["Bengaluru"]


def test_a_country_that_is_not_shipped_to_has_no_cities(client: TestClient) -> None:
    assert client.get("/cities", params={"country": "AQ"}).json() == {"cities": []}


def test_a_quote_explains_its_price(client: TestClient) -> None:
    answer = client.get("/quotes", params={"city": MUMBAI.city_id, "weight": 1_200}).json()

    assert answer["city"]["name"] == "Mumbai"
    assert (answer["weight"], answer["distanceKm"]) == (1_200, 845)
    assert (answer["price"], answer["priceMinor"], answer["currency"]) == (122.25, 12_225, "INR")
    assert [part["priceMinor"] for part in answer["parts"]] == [4_000, 4_225, 4_000]


def test_abroad_costs_more(client: TestClient) -> None:
    answer = client.get("/quotes", params={"city": ZURICH.city_id, "weight": 500}).json()

    assert answer["parts"][0] == {"name": "Base fee, abroad", "price": 600, "priceMinor": 60_000}


def test_a_city_that_is_not_there_is_named(client: TestClient) -> None:
    response = client.get("/quotes", params={"city": 5, "weight": 500})

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["errors"] == [{"field": "city", "message": "there is no city 5"}]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/quotes?city=1277333", "weight"),
        ("/quotes?weight=500", "city"),
        ("/quotes?city=1277333&weight=0", "weight"),
        ("/quotes?city=1277333&weight=30001", "weight"),
        ("/quotes?city=1277333&weight=1.5", "weight"),
        ("/quotes?city=Bengaluru&weight=500", "city"),
        ("/quotes?city=99999999999&weight=500", "city"),
        ("/cities", "country"),
        ("/cities?country=India", "country"),
        ("/cities?country=IN&limit=0", "limit"),
        ("/cities?country=IN&limit=101", "limit"),
        (f"/cities?country=IN&q={'x' * 65}", "q"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(client: TestClient, path: str, field: str) -> None:
    response = client.get(path)

    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]


def test_without_the_database_the_client_is_told_to_come_back(
    client: TestClient, store: MemoryPlaces
) -> None:
    store.problem = "MySQL: away"

    for path in ("/countries", "/cities?country=IN", "/quotes?city=1277333&weight=500"):
        response = client.get(path)
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
    assert client.get("/ready").status_code == 503
    assert client.get("/health").status_code == 200
