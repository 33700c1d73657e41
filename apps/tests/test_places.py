"""The cities that come with the release."""

import csv
from collections import Counter
from importlib.resources import files

import pytest

from skillupworks.shop.quotes import Place, distance_km

Row = dict[str, str]

MUMBAI = Place(19.07283, 72.88261)
# from there, nothing of India is farther, the Andaman Islands included
INDIA_KM = 2_500


def rows(name: str) -> list[Row]:
    data = files("skillupworks.shop") / "migrations/shipping" / f"{name}.csv"
    return list(csv.DictReader(data.read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module")
def cities() -> list[Row]:
    """Return all cities."""
    return rows("cities")


def test_india_has_at_least_300_of_them(cities: list[Row]) -> None:
    assert sum(city["country"] == "IN" for city in cities) >= 300


def test_each_has_an_id_of_its_own_and_can_be_told_from_the_others(cities: list[Row]) -> None:
    assert len({city["city_id"] for city in cities}) == len(cities)
    names = Counter((city["country"], city["name"], city["region"]) for city in cities)
    assert [name for name, count in names.items() if count > 1] == []


def test_each_is_in_a_country_of_the_list_and_each_country_has_some(cities: list[Row]) -> None:
    assert {city["country"] for city in cities} == {
        country["code"] for country in rows("countries")
    }


def test_each_indian_city_is_in_india_and_in_a_state(cities: list[Row]) -> None:
    for city in cities:
        if city["country"] == "IN":
            place = Place(float(city["latitude"]), float(city["longitude"]))
            assert distance_km(MUMBAI, place) < INDIA_KM, city
            assert city["region"], city


def test_every_name_fits_into_its_column(cities: list[Row]) -> None:
    assert max(len(city[name]) for city in cities for name in ("name", "region")) <= 64
