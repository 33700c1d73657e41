"""What operators do by mistake, or in the wrong order; and a clock that is wrong."""

import shlex
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from email.utils import parsedate_to_datetime

import pytest

from faults.records import ready_messages
from faults.rest import ACCOUNT, set_password
from faults.scene import Scene
from tests.helpers.broker import QUEUE, VHOST
from tests.helpers.services import Service
from tests.helpers.waiting import wait_until

ROTATED = "/run/fault.env"
AHEAD_SECONDS = 2 * 60 * 60
INSTALL = (
    "test -e {library} || DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes {package}"
)
LIBFAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


@pytest.mark.fault("queue deleted under the consumers")
def test_queue_delete(scene: Scene) -> None:
    """Delete the queue with messages in it, while the order processors consume.

    They make it again; payment finds out which orders were in it and publishes them once more.
    """
    parts = scene.parts
    with ExitStack() as stack:
        stack.enter_context(parts.payment.changed("Environment=RECONCILE_AFTER_SECONDS=10"))
        for processor in parts.processors:
            stack.enter_context(processor.changed("Environment=RABBITMQ_PREFETCH=5"))
        parts.wait_until_ready()
        stack.enter_context(scene.orders())
        with parts.database.locked("orders.orders"):
            wait_until("messages wait in the queue", lambda: ready_messages(parts)[QUEUE] > 10)
            scene.pause(0, 2)
            waiting = ready_messages(parts)[QUEUE]
            parts.broker.delete(f"/queues/{VHOST}/{QUEUE}")
        scene.seen(f"the queue was deleted with {waiting} messages in it")
        scene.healed()
    again = parts.database.count("payments.payments", "republished > 0")
    assert again, "payment has published nothing again"


@pytest.mark.fault("credentials rotated on the broker first")
def test_credentials(scene: Scene) -> None:
    """Change the password on the broker and close all connections; the services get it later."""
    parts = scene.parts
    password, old = uuid.uuid4().hex, parts.platform.secrets["vault_rabbitmq_skillupworks_password"]
    services = [parts.payment, *parts.processors]
    with ExitStack() as stack:
        stack.callback(set_password, parts.broker, old)
        with scene.orders():
            set_password(parts.broker, password)
            parts.on_broker(f"rabbitmqctl --quiet close_all_user_connections {ACCOUNT} 'rotated'")
            wait_until(
                "the services are refused",
                lambda: all("refused" in service.http("/ready") for service in services),
            )
            scene.seen("every service said that the broker refuses its credentials")
            scene.pause(0, 10)
            # recovery counts from here: the operator restarts one service after the other
            scene.healed()
            for service in services:
                stack.enter_context(_secret(service, f"RABBITMQ_PASS={password}"))
            # undone in the opposite order: they find the old one when they start without it
            stack.callback(set_password, parts.broker, old)
            parts.wait_until_ready()


@pytest.mark.fault("clock two hours ahead")
def test_clock(scene: Scene) -> None:
    """Let one service believe that it is two hours later; the seed says which."""
    parts = scene.parts
    service = scene.in_turn([parts.payment, *parts.processors])
    service.run(INSTALL.format(library=LIBFAKETIME, package="libfaketime"))
    faked = f"LD_PRELOAD={LIBFAKETIME} FAKETIME=+{AHEAD_SECONDS} FAKETIME_DONT_FAKE_MONOTONIC=1"
    with scene.orders():
        with service.changed(f"Environment={faked}"):
            service.wait_until_ready()
            ahead = _clock(service) - float(service.run("date +%s"))
            assert abs(ahead - AHEAD_SECONDS) < 60
            scene.seen(f"the clock of {service} was {ahead:.0f} s ahead")
            scene.pause(5, 10)
        scene.healed()


def _clock(service: Service) -> float:
    """Return what a service thinks the time is."""
    for line in service.http("/ready").splitlines():
        name, _, value = line.partition(":")
        if name.lower() == "date":
            return parsedate_to_datetime(value.strip()).timestamp()
    raise AssertionError(f"{service} does not say the date in its answers")


@contextmanager
def _secret(service: Service, line: str) -> Iterator[None]:
    """Give a service a setting that must not be seen, until the end; restarts it both times."""
    command = f"sh -c {shlex.quote(f'umask 077; cat > {ROTATED}')}"
    service.platform.feed(service.host, command, line + "\n")
    with service.changed(f"EnvironmentFile={ROTATED}"):
        yield
