"""The pages of the documentation have the routes and metrics of the services as they run."""

import json
import re
from pathlib import Path

import pytest

from tests.helpers.hosts import Platform
from tests.helpers.services import Service

DOCS = Path(__file__).resolve().parents[3] / "docs"
# as every service has them
COMMON = {"GET /health", "GET /ready", "GET /metrics"}
METHODS = "GET|POST|PUT|PATCH|DELETE"


@pytest.fixture(
    name="service", params=["catalogue", "user", "cart", "payment", "shipping", "order-processor"]
)
def _service(platform: Platform, request: pytest.FixtureRequest) -> Service:
    """Return the first one of its kind."""
    name: str = request.param
    return Service(platform, platform.group(name.replace("-", "_"))[0], name)


def page(service: Service) -> str:
    """Return the service's page."""
    return (DOCS / f"{service.unit}.md").read_text(encoding="utf-8")


def test_the_routes_are_those_that_the_service_has(service: Service) -> None:
    """None is missing, and none is promised."""
    if service.unit == "order-processor":
        pytest.skip("it has no routes but those that every service has")
    description = json.loads(service.http("/openapi.json").partition("\r\n\r\n")[2])
    has = {
        f"{method.upper()} {path}"
        for path, methods in description["paths"].items()
        for method in methods
    }
    rows = re.findall(rf"^\| `((?:{METHODS}) [^`?]+)[`?]", page(service), re.MULTILINE)
    assert {re.sub(r"\{\w+\}", "{}", each) for each in rows} == {
        re.sub(r"\{\w+\}", "{}", each) for each in has - COMMON
    }


def test_every_metric_is_explained(service: Service) -> None:
    """All that are ours, by name, or by what comes after the beginning of its row's first."""
    exposed = re.findall(r"^# TYPE (skillupworks_\w+)", service.http("/metrics"), re.MULTILINE)
    text = page(service)
    explained = []
    for row in re.findall(r"^\|([^|]*`skillupworks_[^|]*)\|", text, re.MULTILINE):
        names = re.findall(r"`([\w…]+)`", row)
        beginning = "_".join(names[0].split("_")[:2])
        explained += [name.replace("…", beginning) for name in names]
    explained += re.findall(r"`(skillupworks_\w+)`", text)
    assert exposed
    assert {name for name in exposed if not name.endswith("_created")} <= set(explained)
