"""The figures of one rate, and whether the shop is past its knee."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from locust.stats import RequestStats

    from benchmarks.shop_load.arrivals import Arrived

__all__ = ["Service", "Step", "step_of"]

# the shop keeps up while it is better than this
MOST_FAILED = 0.01
MOST_P99_MS = 1000.0
# this program is not able to keep its plan: a figure beyond that says nothing about the shop
MOST_LATE_SECONDS = 0.5


@dataclass(frozen=True)
class Service:
    """What one service did: requests and failures, answers a second, milliseconds."""

    requests: int
    failures: int
    rate: float
    p50: float
    p99: float
    longest: float


@dataclass(frozen=True)
class Step:
    """What all did at one rate of visits a second; `past_knee` says why it is too much, or ""."""

    rate: float
    seconds: float
    planned: int
    begun: int
    lateness: float
    services: dict[str, Service]
    errors: dict[str, int]
    past_knee: str

    def as_json(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return asdict(self)


def step_of(rate: float, arrived: Arrived, stats: RequestStats) -> Step:
    """Return the figures that Locust has collected since it was reset."""
    services = {
        entry.name: Service(
            requests=entry.num_requests,
            failures=entry.num_failures,
            rate=round(entry.num_requests / arrived.seconds, 1),
            p50=entry.get_response_time_percentile(0.5) or 0.0,
            p99=entry.get_response_time_percentile(0.99) or 0.0,
            longest=round(entry.max_response_time, 1),
        )
        for entry in _by_service(stats)
    }
    errors = {
        f"{error.method} {error.name}: {error.error}": error.occurrences
        for error in stats.errors.values()
    }
    return Step(
        rate=rate,
        seconds=arrived.seconds,
        planned=arrived.planned,
        begun=arrived.begun,
        lateness=round(arrived.lateness, 3),
        services=dict(sorted(services.items())),
        errors=errors,
        past_knee=_past_knee(arrived, services),
    )


def _by_service(stats: RequestStats) -> list[Any]:
    """Return one entry per service; Locust has one per service and method."""
    merged = type(stats)()
    for entry in stats.entries.values():
        merged.get(entry.name, "").extend(entry)
    return list(merged.entries.values())


def _past_knee(arrived: Arrived, services: dict[str, Service]) -> str:
    if arrived.lateness > MOST_LATE_SECONDS:
        return f"the load generator was {arrived.lateness:.1f} s late"
    if arrived.begun < arrived.planned:
        return f"{arrived.planned - arrived.begun} visits found no place"
    for name, service in sorted(services.items()):
        if service.failures > MOST_FAILED * service.requests:
            return f"{name}: {service.failures} of {service.requests} requests failed"
        if service.p99 > MOST_P99_MS:
            return f"{name}: p99 is {service.p99:.0f} ms"
    return ""
