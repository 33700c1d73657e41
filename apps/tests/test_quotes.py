"""What shipping costs: by distance and weight, always the same, and explained."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillupworks.shop.quotes import MAX_GRAMS, Place, distance_km, quote

BENGALURU = Place(12.97194, 77.59369)
MUMBAI = Place(19.07283, 72.88261)
ZURICH = Place(47.36667, 8.55)

places = st.builds(
    Place,
    latitude=st.floats(-90, 90, allow_nan=False),
    longitude=st.floats(-180, 180, allow_nan=False),
)
weights = st.integers(1, MAX_GRAMS)


def test_a_distance_is_the_one_of_the_great_circle() -> None:
    # a quarter and a half of the mean circumference, 40,030.2 km
    assert distance_km(Place(0, 0), Place(0, 90)) == 10_008
    assert distance_km(Place(0, 0), Place(90, 0)) == 10_008
    assert distance_km(Place(90, 0), Place(-90, 0)) == 20_015


@given(places, places)
def test_a_distance_is_the_same_there_and_back_and_never_beyond_half_the_earth(
    start: Place, end: Place
) -> None:
    assert distance_km(start, end) == distance_km(end, start)
    assert 0 <= distance_km(start, end) <= 20_016


def test_a_price_says_what_it_is_made_of() -> None:
    found = quote(BENGALURU, MUMBAI, 1_200, abroad=False)

    assert [(part.name, part.price) for part in found.parts] == [
        ("Base fee", 4_000),
        ("Distance: 845 km at ₹0.05", 4_225),
        ("Weight: 2 x 500 g beyond the first at ₹20", 4_000),
    ]
    assert found.price == 12_225


def test_abroad_has_a_tariff_of_its_own() -> None:
    found = quote(BENGALURU, ZURICH, 500, abroad=True)

    assert [part.name for part in found.parts] == [
        "Base fee, abroad",
        f"Distance: {found.distance_km:,} km at ₹0.12",
    ]
    assert found.price > 100_000


@pytest.mark.parametrize(
    ("grams", "steps"), [(1, 0), (500, 0), (501, 1), (1_000, 1), (1_001, 2), (MAX_GRAMS, 59)]
)
def test_every_500_grams_beyond_the_first_that_are_begun_cost_the_same(
    grams: int, steps: int
) -> None:
    least = quote(BENGALURU, BENGALURU, 1, abroad=False)

    assert quote(BENGALURU, BENGALURU, grams, abroad=False).price == least.price + 2_000 * steps


@given(places, places, weights, st.booleans())
def test_a_price_is_the_sum_of_its_parts_and_the_same_each_time(
    start: Place,
    end: Place,
    grams: int,
    abroad: bool,  # noqa: FBT001 - a property's argument
) -> None:
    found = quote(start, end, grams, abroad=abroad)

    assert found == quote(start, end, grams, abroad=abroad)
    assert found.price == sum(part.price for part in found.parts)
    assert all(part.price >= 0 for part in found.parts)


@given(places, places, weights, weights)
def test_more_weight_never_costs_less(start: Place, end: Place, one: int, other: int) -> None:
    light, heavy = sorted((one, other))

    assert (
        quote(start, end, light, abroad=False).price <= quote(start, end, heavy, abroad=False).price
    )
