"""Several relays on one outbox: what one has in hand, the others pass over."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.helpers.broker import VHOST, Broker
from tests.helpers.database import Database
from tests.helpers.hosts import Platform
from tests.helpers.services import Service
from tests.helpers.waiting import wait_until

QUEUE = "test-relays"
ROUTING_KEY = "test.relays"
# takes a relay some seconds, and the other one looks every second
MESSAGES = 40_000
DIGITS = "(SELECT 0 AS n" + "".join(f" UNION ALL SELECT {digit}" for digit in range(1, 10)) + ")"
SECOND = "test-second-relay"
FIRST_PORT, SECOND_PORT = 8084, 18084
PUBLISHED = re.compile(r"^skillupworks_outbox_published_total (\S+)$", re.MULTILINE)


@pytest.fixture(name="queue")
def _queue(broker: Broker) -> Iterator[str]:
    """Return a queue that nobody consumes."""
    broker.put(f"/queues/{VHOST}/{QUEUE}", {"durable": True, "auto_delete": False})
    broker.post(f"/bindings/{VHOST}/e/skillupworks/q/{QUEUE}", {"routing_key": ROUTING_KEY})
    yield QUEUE
    broker.delete(f"/queues/{VHOST}/{QUEUE}")


@dataclass(frozen=True)
class Relay:
    """A payment service's relay, asked on its host."""

    platform: Platform
    host: str
    port: int

    def published(self) -> int | None:
        """Return how many messages it has published; None while it is not there."""
        url = f"http://127.0.0.1:{self.port}/metrics"
        script = f"from urllib.request import urlopen; print(urlopen('{url}').read().decode())"
        found = PUBLISHED.search(self.platform[self.host].run("python3 -c %s", script).stdout)
        return None if found is None else int(float(found[1]))


@pytest.fixture(name="relays")
def _relays(platform: Platform, payment: Service) -> Iterator[list[Relay]]:
    """Let a second payment service run beside the first one; return both relays."""
    platform.run(
        payment.host,
        "systemd-run --quiet --collect --property=User=skillupworks"
        f" --property=EnvironmentFile=/etc/skillupworks/payment.env --unit={SECOND}"
        ' $(systemctl show payment --property=Environment --value | xargs printf "--setenv=%s ")'
        f" --setenv=HTTP_PORT={SECOND_PORT} --setenv=HTTP_LISTEN=127.0.0.1"
        " /opt/skillupworks/current/bin/payment",
    )
    relays = [Relay(platform, payment.host, port) for port in (FIRST_PORT, SECOND_PORT)]
    wait_until("the second relay runs", lambda: relays[1].published() == 0)
    yield relays
    platform.run(payment.host, f"systemctl stop {SECOND}")


def test_two_relays_share_an_outbox_and_send_each_message_once(
    broker: Broker, database: Database, queue: str, relays: list[Relay]
) -> None:
    """Both take part, and the queue has as many messages as there were rows."""
    before = [relay.published() or 0 for relay in relays]
    run = uuid.uuid4().hex
    digits = ", ".join(f"{DIGITS} d{place}" for place in range(5))
    database.rows(
        "INSERT INTO payments.outbox"  # noqa: S608
        " (message_id, exchange, routing_key, type, body, created_at)"
        f" SELECT CONCAT('{run}-', d0.n, d1.n, d2.n, d3.n, d4.n), 'skillupworks', '{ROUTING_KEY}',"
        f" 'test', '{{}}', UTC_TIMESTAMP(6) FROM {digits} LIMIT {MESSAGES}"
    )
    rest = f"message_id LIKE '{run}-%'"
    wait_until("the outbox is empty", lambda: not database.count("payments.outbox", rest), 120)

    def shares() -> list[int]:
        return [(relay.published() or 0) - then for relay, then in zip(relays, before, strict=True)]

    wait_until("both have counted", lambda: sum(shares()) >= MESSAGES)
    assert sum(shares()) == MESSAGES
    assert min(shares()) > 0, shares()
    # a queue says every few seconds how many it has
    wait_until("the queue has them", lambda: broker.queue(queue)["messages"] >= MESSAGES)
    assert broker.queue(queue)["messages"] == MESSAGES
