"""The fixtures of all tests of live hosts: the platform, and its parts, once for a whole run."""

import dataclasses
import os
from collections.abc import Iterator

import pytest

from tests.helpers.ansible import INVENTORY
from tests.helpers.broker import Broker
from tests.helpers.database import Database
from tests.helpers.hosts import Platform
from tests.helpers.journal import Journal
from tests.helpers.parts import Parts
from tests.helpers.services import Service, order_processors, payments
from tests.helpers.shop import Shop

__all__ = ["broker", "database", "journal", "parts", "payment", "platform", "processors", "shop"]


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Return the hosts; the run ends here when one of them is down."""
    if "MOLECULE_SCENARIO_NAME" in os.environ and INVENTORY not in os.environ:
        pytest.exit(
            f"{INVENTORY} is not set: Molecule's verifier must say which hosts are meant", 1
        )
    platform = Platform(tmp_path_factory.mktemp("ssh"))
    if down := platform.down():
        pytest.exit("\n".join(down), returncode=1)
    yield platform
    platform.close()


@pytest.fixture(scope="session")
def journal(platform: Platform) -> Journal:
    """Return the journals of all hosts."""
    return Journal(platform)


@pytest.fixture(scope="session")
def database(platform: Platform) -> Database:
    """Return the database."""
    return Database(platform)


@pytest.fixture(scope="session")
def broker(platform: Platform) -> Iterator[Broker]:
    """Return the broker's management interface."""
    address = platform.address(platform.only("rabbitmq"))
    broker = Broker(address, "admin", platform.secrets["vault_rabbitmq_admin_password"])
    yield broker
    broker.close()


@pytest.fixture(scope="session")
def shop(platform: Platform) -> Iterator[Shop]:
    """Return the shop's HTTP interface, as one guest has it."""
    payment, user = (platform.address(platform.group(name)[0]) for name in ("payment", "user"))
    shop = Shop(payment, user)
    yield shop
    shop.close()


@pytest.fixture(scope="session")
def payment(platform: Platform) -> Service:
    """Return the payment service."""
    return payments(platform)[0]


@pytest.fixture(scope="session")
def processors(platform: Platform) -> list[Service]:
    """Return the order processors, one per host."""
    return order_processors(platform)


@pytest.fixture(scope="session")
def parts(request: pytest.FixtureRequest) -> Parts:
    """Return all of them."""
    names = [field.name for field in dataclasses.fields(Parts)]
    return Parts(**{name: request.getfixturevalue(name) for name in names})
