"""The mail server and the warehouse, which belong to others, are down."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from faults.records import Effects
from faults.scene import Scene
from tests.helpers.hosts import Platform
from tests.helpers.parts import Parts
from tests.helpers.waiting import wait_until

GROUP = "frontend"
SMTP_PORT = 2525
WAREHOUSE_PORT = 8099
DOWN_SECONDS = 60
# the pauses between attempts may have grown to some minutes
SETTLE_SECONDS = 420.0
PROGRAM = "/run/fault-receiver.py"
FOLDER = "/var/lib/fault-receiver"
ORDER_ID = re.compile(r"ORD-[\w-]+")
INSTALL = (
    "python3 -c 'import aiosmtpd' 2>/dev/null"
    " || DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes python3-aiosmtpd"
)


@pytest.mark.fault("mail server and warehouse down for a minute")
def test_effects_down(scene: Scene) -> None:
    """Kill a mail server and a warehouse that take every order's effects, for a minute.

    Orders are processed meanwhile; each reaches the warehouse once by its key, and each mail that
    comes again carries the same Message-ID.
    """
    parts = scene.parts
    with ExitStack() as stack:
        receivers = stack.enter_context(_receivers(parts.platform))
        for processor in parts.processors:
            stack.enter_context(processor.changed(_settings(parts.platform)))
        parts.wait_until_ready()
        stack.enter_context(scene.orders(effects=receivers.effects, settle=SETTLE_SECONDS))
        wait_until("effects arrive", lambda: receivers.effects(parts, 0).emails)
        receivers.kill()
        scene.pause(DOWN_SECONDS, DOWN_SECONDS)
        waiting = parts.database.count("orders.effects", "true")
        assert waiting, "no effect waits for the receivers"
        scene.seen(f"nobody listened for a minute, and {waiting} effects waited")
        receivers.start()
        scene.healed()


class Receivers:
    """The two programs on a host that is neither a service's nor the broker's."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._ports = {"smtp": SMTP_PORT, "http": WAREHOUSE_PORT}

    def start(self) -> None:
        """Start both, with what they have written before."""
        for kind, port in self._ports.items():
            unit = f"fault-receiver-{kind}"
            self._run(
                f"systemctl reset-failed {unit} 2>/dev/null;"
                f" systemd-run --quiet --unit={unit} python3 {PROGRAM} {kind} {port} {_book(kind)}"
            )
            wait_until(f"{unit} listens", lambda port=port: self._listens(port))  # type: ignore[misc]

    def kill(self) -> None:
        """Kill both."""
        self._run("systemctl kill --signal=KILL 'fault-receiver-*'")
        for port in self._ports.values():
            wait_until(f"nobody listens on {port}", lambda port=port: not self._listens(port))  # type: ignore[misc]

    def effects(self, _parts: Parts, _since: float) -> Effects:
        """Return what arrived: Message-IDs, and orders that the warehouse has taken, per order."""
        mails: defaultdict[str, set[str]] = defaultdict(set)
        taken: Counter[str] = Counter()
        for entry in self._read("smtp"):
            found = ORDER_ID.search(entry["text"])
            mails[found[0] if found else entry["key"]].add(entry["key"])
        for entry in self._read("http"):
            order = json.loads(entry["text"])
            # the whole order, as it was published
            assert order["total"] == sum(x["price"] * x["quantity"] for x in order["items"]), order
            taken[order["orderId"]] += entry["new"]
        return Effects(Counter({order: len(ids) for order, ids in mails.items()}), taken)

    def _read(self, kind: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._run(f"cat {_book(kind)}").splitlines()]

    def _listens(self, port: int) -> bool:
        return bool(self._run(f"ss --no-header --listening --tcp --numeric 'sport = :{port}'"))

    def _run(self, command: str) -> str:
        return self._platform.run(self._platform.only(GROUP), command)


@contextmanager
def _receivers(platform: Platform) -> Iterator[Receivers]:
    """Run both, reachable through the host's firewall, until the end."""
    platform.run(platform.only(GROUP), INSTALL)
    program = Path(__file__).with_name("receiver.py").read_text(encoding="utf-8")
    platform.feed(platform.only(GROUP), f"tee {PROGRAM}", program)
    platform.run(platform.only(GROUP), f"rm -rf {FOLDER}; mkdir {FOLDER}")
    for port in (SMTP_PORT, WAREHOUSE_PORT):
        # it closes by itself, should nobody be left to do it
        platform.run(
            platform.only(GROUP), f"firewall-cmd --quiet --add-port={port}/tcp --timeout=30m"
        )
    receivers = Receivers(platform)
    receivers.start()
    try:
        yield receivers
    finally:
        platform.run(platform.only(GROUP), "systemctl stop 'fault-receiver-*'")
        for port in (SMTP_PORT, WAREHOUSE_PORT):
            platform.run(platform.only(GROUP), f"firewall-cmd --quiet --remove-port={port}/tcp")


def _book(kind: str) -> str:
    return f"{FOLDER}/{kind}.jsonl"


def _settings(platform: Platform) -> str:
    address = platform.address(platform.only(GROUP))
    settings = {
        "EMAIL_BACKEND": "smtp",
        "EMAIL_FROM": "shop@example.com",
        "EMAIL_TO": "{userId}@example.com",
        "EMAIL_MESSAGE_DOMAIN": "example.com",
        "SMTP_HOST": address,
        "SMTP_PORT": SMTP_PORT,
        "WAREHOUSE_BACKEND": "http",
        "WAREHOUSE_URL": f"http://{address}:{WAREHOUSE_PORT}/orders",
    }
    return "\\n".join(f"Environment={name}={value}" for name, value in settings.items())
