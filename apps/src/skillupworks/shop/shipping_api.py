"""The HTTP interface of shipping."""

from http import HTTPStatus
from typing import Annotated, Protocol, Self

from fastapi import FastAPI, Query
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from skillupworks.runtime.health import Readiness
from skillupworks.runtime.http_app import create_http_app
from skillupworks.runtime.problems import ProblemError, responses
from skillupworks.shop.money import CURRENCY, to_rupees
from skillupworks.shop.quotes import MAX_GRAMS, Place, Quote, quote
from skillupworks.shop.shipping_store import City, Country

__all__ = ["PlaceStore", "create_app"]

# what is shipped within costs less
HOME = "IN"
# more is no choice for a person: two letters narrow it down
MAX_CITIES = 100
# of a city's id: the database's INT
MAX_ID = 2**31 - 1


class PlaceStore(Protocol):
    """What is needed of the store; every method may raise StoreUnavailableError."""

    def countries(self) -> list[Country]:
        """Return all countries by name."""

    def cities(self, country: str, beginning: str, limit: int) -> list[City]:
        """Return cities of a country by name."""

    def city(self, city_id: int) -> City | None:
        """Return a city, or None."""


class _Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class CountryAnswer(_Answer):
    """A country."""

    code: str = Field(examples=["IN"], description="ISO 3166-1")
    name: str = Field(examples=["India"])


class CityAnswer(_Answer):
    """A city."""

    id: int = Field(examples=[1277333], description="GeoNames' id")
    country: str = Field(examples=["IN"])
    name: str = Field(examples=["Bengaluru"])
    region: str = Field(examples=["Karnataka"], description="Empty outside of India")
    latitude: float = Field(examples=[12.97194])
    longitude: float = Field(examples=[77.59369])

    @classmethod
    def of(cls, city: City) -> Self:
        """Return the answer for a city."""
        return cls(
            id=city.city_id,
            country=city.country,
            name=city.name,
            region=city.region,
            latitude=city.place.latitude,
            longitude=city.place.longitude,
        )


class CountriesAnswer(_Answer):
    """All countries."""

    countries: list[CountryAnswer]


class CitiesAnswer(_Answer):
    """The first cities that were asked for."""

    cities: list[CityAnswer]


class PartAnswer(_Answer):
    """A part of a price."""

    name: str = Field(examples=["Distance: 843 km at ₹0.05"])
    price: int | float = Field(examples=[42.15], description="In rupees")
    price_minor: int = Field(examples=[4215], description="In paise")


class QuoteAnswer(_Answer):
    """What shipping costs, and why."""

    city: CityAnswer
    weight: int = Field(examples=[500], description="In grams")
    distance_km: int = Field(examples=[843])
    price: int | float = Field(examples=[82.15], description="In rupees")
    price_minor: int = Field(examples=[8215], description="In paise: the sum of the parts")
    currency: str = Field(examples=[CURRENCY])
    parts: list[PartAnswer]

    @classmethod
    def of(cls, city: City, grams: int, found: Quote) -> Self:
        """Return the answer for a quote."""
        return cls(
            city=CityAnswer.of(city),
            weight=grams,
            distance_km=found.distance_km,
            price=to_rupees(found.price),
            price_minor=found.price,
            currency=CURRENCY,
            parts=[
                PartAnswer(name=part.name, price=to_rupees(part.price), price_minor=part.price)
                for part in found.parts
            ],
        )


CountryCode = Annotated[str, Query(pattern="^[A-Z]{2}$", description="ISO 3166-1, as `IN`")]
Beginning = Annotated[
    str, Query(alias="q", max_length=64, description="How its name begins; accents do not matter")
]
Limit = Annotated[int, Query(ge=1, le=MAX_CITIES)]
CityId = Annotated[
    int, Query(alias="city", ge=1, le=MAX_ID, description="A city's `id`", examples=[1277333])
]
Grams = Annotated[
    int, Query(alias="weight", ge=1, le=MAX_GRAMS, description="In grams", examples=[500])
]


def create_app(
    store: PlaceStore, origin: Place, readiness: Readiness, registry: CollectorRegistry
) -> FastAPI:
    """Return the application; parcels are sent from `origin`."""
    app = create_http_app(
        title="SkillUpWorks shipping",
        summary="Says where orders can be shipped to, and for how much.",
        description="Amounts named `price` are rupees, `priceMinor` is the same in paise.",
        readiness=readiness,
        registry=registry,
    )

    @app.get(
        "/countries",
        summary="List the countries",
        responses=responses(HTTPStatus.SERVICE_UNAVAILABLE),
    )
    def list_countries() -> CountriesAnswer:
        """Return all countries that can be shipped to, by name."""
        return CountriesAnswer(
            countries=[
                CountryAnswer(code=country.code, name=country.name) for country in store.countries()
            ]
        )

    @app.get(
        "/cities",
        summary="Find cities of a country",
        responses=responses(HTTPStatus.SERVICE_UNAVAILABLE),
    )
    def list_cities(country: CountryCode, q: Beginning = "", limit: Limit = 20) -> CitiesAnswer:
        """Return the first cities by name; none for a country that is not shipped to."""
        return CitiesAnswer(
            cities=[CityAnswer.of(city) for city in store.cities(country, q, limit)]
        )

    @app.get(
        "/quotes",
        summary="Say what shipping costs",
        responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE),
    )
    def show_quote(city_id: CityId, grams: Grams) -> QuoteAnswer:
        """Return the price for a city and a weight, with the parts that it is made of."""
        city = store.city(city_id)
        if city is None:
            raise ProblemError(
                HTTPStatus.NOT_FOUND,
                f"city: there is no city {city_id}",
                errors=[("city", f"there is no city {city_id}")],
            )
        abroad = city.country != HOME
        return QuoteAnswer.of(city, grams, quote(origin, city.place, grams, abroad=abroad))

    return app
