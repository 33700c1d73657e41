"""Countries and cities in MySQL; they are put there by the migration and only read here."""

from dataclasses import dataclass

from skillupworks.runtime.database import Database
from skillupworks.shop.quotes import Place

__all__ = ["SCRIPTS", "City", "Country", "SqlPlaceStore"]

SCRIPTS = "skillupworks.shop:migrations/shipping"

SELECT_COUNTRIES = "SELECT code, name FROM countries ORDER BY name"
SELECT_CITIES = (
    "SELECT city_id, country, name, region, latitude, longitude FROM cities"
    " WHERE country = %s AND name LIKE %s ORDER BY name, region LIMIT %s"
)
SELECT_CITY = (
    "SELECT city_id, country, name, region, latitude, longitude FROM cities WHERE city_id = %s"
)


@dataclass(frozen=True, slots=True)
class Country:
    """A country by its ISO 3166-1 code."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class City:
    """A city by GeoNames' id; `region` is empty where names are unique without it."""

    city_id: int
    country: str
    name: str
    region: str
    place: Place


class SqlPlaceStore:
    """The PlaceStore of shipping_api.py; thread-safe. Raises StoreUnavailableError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def countries(self) -> list[Country]:
        """Return all countries by name."""
        with self._database.transaction() as cursor:
            cursor.execute(SELECT_COUNTRIES)
            return [Country(*row) for row in cursor.fetchall()]

    def cities(self, country: str, beginning: str, limit: int) -> list[City]:
        """Return cities of a country by name; case and accents do not matter."""
        pattern = "".join(f"\\{char}" if char in "\\%_" else char for char in beginning) + "%"
        with self._database.transaction() as cursor:
            cursor.execute(SELECT_CITIES, (country, pattern, limit))
            return [_city(*row) for row in cursor.fetchall()]

    def city(self, city_id: int) -> City | None:
        """Return a city, or None."""
        with self._database.transaction() as cursor:
            cursor.execute(SELECT_CITY, (city_id,))
            rows = cursor.fetchall()
        return _city(*rows[0]) if rows else None

    def check(self) -> str | None:
        """Return None when the database answers, otherwise what is wrong."""
        return self._database.check()


def _city(  # noqa: PLR0913, PLR0917 - the columns
    city_id: int, country: str, name: str, region: str, latitude: float, longitude: float
) -> City:
    return City(city_id, country, name, region, Place(float(latitude), float(longitude)))
