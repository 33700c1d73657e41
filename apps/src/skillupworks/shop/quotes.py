"""What shipping costs: by distance and weight, in integers, and explained part by part."""

from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt

from skillupworks.shop.money import format_amount

__all__ = ["MAX_GRAMS", "Part", "Place", "Quote", "Tariff", "distance_km", "quote"]

# the mean radius; the earth is no sphere, and a quote may be 0.5 % off
EARTH_KM = 6371.0088
# more does not go by parcel
MAX_GRAMS = 30_000
STEP_GRAMS = 500


@dataclass(frozen=True, slots=True)
class Place:
    """A point on the earth, in degrees."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Tariff:
    """What is charged, in paise: once, for a kilometre, and for 500 g beyond the first 500 g."""

    base: int
    per_km: int
    per_step: int


DOMESTIC = Tariff(base=4_000, per_km=5, per_step=2_000)
ABROAD = Tariff(base=60_000, per_km=12, per_step=15_000)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a price, in words, and in paise."""

    name: str
    price: int


@dataclass(frozen=True, slots=True)
class Quote:
    """A price; the sum of its parts, the same for the same place and weight at any time."""

    distance_km: int
    parts: tuple[Part, ...]

    @property
    def price(self) -> int:
        """The price in paise."""
        return sum(part.price for part in self.parts)


def distance_km(start: Place, end: Place) -> int:
    """Return the whole kilometres of the great circle between two places."""
    latitude, longitude = (
        radians(end.latitude - start.latitude) / 2,
        radians(end.longitude - start.longitude) / 2,
    )
    half_chord = (
        sin(latitude) ** 2
        + cos(radians(start.latitude)) * cos(radians(end.latitude)) * sin(longitude) ** 2
    )
    # of two opposite points rounding may make it more than 1
    return round(2 * EARTH_KM * asin(sqrt(min(1.0, half_chord))))


def quote(start: Place, end: Place, grams: int, *, abroad: bool) -> Quote:
    """Return what it costs to send `grams` (1 to MAX_GRAMS) from one place to another."""
    tariff = ABROAD if abroad else DOMESTIC
    kilometres = distance_km(start, end)
    steps = max(0, -(-grams // STEP_GRAMS) - 1)
    parts = [
        Part("Base fee, abroad" if abroad else "Base fee", tariff.base),
        Part(
            f"Distance: {kilometres:,} km at {format_amount(tariff.per_km)}",
            kilometres * tariff.per_km,
        ),
    ]
    if steps:
        parts.append(
            Part(
                f"Weight: {steps} x {STEP_GRAMS} g beyond the first"
                f" at {format_amount(tariff.per_step)}",
                steps * tariff.per_step,
            )
        )
    return Quote(kilometres, tuple(parts))
