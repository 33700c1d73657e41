"""The parts of the platform together, for tests that need most of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.helpers.broker import Broker
from tests.helpers.database import Database
from tests.helpers.hosts import Platform
from tests.helpers.journal import Journal
from tests.helpers.services import Service, catalogues, shippings, users
from tests.helpers.shop import Shop
from tests.helpers.waiting import wait_until


@dataclass(frozen=True)
class Parts:
    """What the fixtures of the same names are."""

    platform: Platform
    shop: Shop
    broker: Broker
    database: Database
    journal: Journal
    payment: Service
    processors: list[Service]

    def on_broker(self, command: str) -> str:
        """Run a command on the broker's host."""
        return self.platform.run(self.platform.only("rabbitmq"), command)

    def on_database(self, command: str) -> str:
        """Run a command on the database's host."""
        return self.platform.run(self.platform.only("mysql"), command)

    def assert_each_processed_once(self, order_ids: Iterable[str], seconds: float = 60) -> None:
        """Wait until the orders are processed; each has one row and one e-mail line."""
        once = dict.fromkeys(order_ids, 1)
        assert once
        wait_until(
            "all orders are processed",
            lambda: self.database.rows_of_orders(once) == once,
            seconds,
        )
        wait_until("all e-mails are sent", lambda: self.journal.emails_of(once) == once, seconds)
        assert {self.shop.state(order_id) for order_id in [*once][:3]} == {"processed"}

    def wait_until_ready(self, seconds: float = 60) -> None:
        """Return when all services that an order needs say that they work."""
        wait_until("the broker answers", self.broker.answers, seconds)
        asked = [found for of in (catalogues, shippings, users) for found in of(self.platform)]
        for service in (*self.processors, *asked, self.payment):
            service.wait_until_ready(seconds)
