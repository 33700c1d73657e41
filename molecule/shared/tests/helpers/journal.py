"""Reading the journals of the services."""

import json
from collections import Counter
from collections.abc import Collection
from typing import Any

from tests.helpers.hosts import Platform
from tests.helpers.waiting import wait_until

Entry = dict[str, Any]

EMAIL_LINE = "📧 Confirmation email sent (simulated)"
OURS = (
    "order-processor*",
    "payment",
    "shipping",
    "cart",
    "catalogue",
    "user",
    "redis-server",
    "valkey",
    "rabbitmq-server",
    "mongod",
    "nx-27017",
    "mariadb",
    "mysql",
    "mysqld",
)


class Journal:
    """The journals of all hosts; entries are dictionaries of journald's fields."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def of_order(self, order_id: str) -> list[Entry]:
        """Return what the order processors say about an order, in order, of all their hosts."""
        found = self._platform.each(
            self._platform.group("order_processor"),
            lambda host: self._read(host, f"-t order-processor ORDER_ID={order_id}"),
        )
        entries = [entry for entries in found.values() for entry in entries]
        return sorted(entries, key=lambda entry: int(entry["__REALTIME_TIMESTAMP"]))

    def requests(self, host: str, order_id: str) -> list[Entry]:
        """Return the lines of payment on a host about requests for an order."""
        return self._read(host, f"-t payment ORDER_ID={order_id}")

    def in_trace(self, trace_id: str) -> list[Entry]:
        """Return what the services on all hosts say within a trace."""
        found = self._platform.each(
            self._platform.names, lambda host: self._read(host, f"TRACE_ID={trace_id}")
        )
        return [entry for entries in found.values() for entry in entries]

    def block(self, order_id: str) -> list[str]:
        """Return the lines of an order's block, once its last one is written."""
        last = "📦 Warehouse notified (simulated)"
        wait_until(
            f"the journal ends the block of {order_id}",
            lambda: last in [entry["MESSAGE"] for entry in self.of_order(order_id)],
        )
        return [entry["MESSAGE"] for entry in self.of_order(order_id)]

    def emails(self, order_id: str) -> int:
        """Return how often a confirmation was sent for an order."""
        return [entry["MESSAGE"] for entry in self.of_order(order_id)].count(EMAIL_LINE)

    def emails_of(self, order_ids: Collection[str]) -> dict[str, int]:
        """Return how often a confirmation was sent for each of these orders; not for none."""
        found = self._platform.each(
            self._platform.group("order_processor"),
            lambda host: self._read(host, f"-t order-processor MESSAGE='{EMAIL_LINE}'"),
        )
        sent = [entry["ORDER_ID"] for entries in found.values() for entry in entries]
        return dict(Counter(order_id for order_id in sent if order_id in order_ids))

    def since(self, host: str, unit: str, cursor: str) -> list[str]:
        """Return the lines of a unit after a cursor, see `cursor`."""
        # not --after-cursor: with matches, journalctl before 253 passes over one entry too many
        return [
            str(entry["MESSAGE"])
            for entry in self._read(host, f"--unit={unit} --cursor='{cursor}'")
            if entry["__CURSOR"] != cursor
        ]

    def cursor(self, host: str) -> str:
        """Return the place of the journal's end, to read on from there later."""
        output = self._platform.run(host, "journalctl --quiet --show-cursor --lines=0")
        return output.rpartition("-- cursor: ")[2]

    def tail(self, host: str, since: float) -> str:
        """Return the last lines of the platform's services since a time, for the eye.

        Without the questions after an order's state, of which tests ask many.
        """
        units = " ".join(f"--unit='{unit}'" for unit in OURS)
        lines = f"journalctl --quiet --since=@{since:.0f} {units} | grep --invert-match 'GET /'"
        output: str = self._platform[host].run(f"{lines} | tail --lines=20").stdout
        return output.strip()

    def _read(self, host: str, matches: str) -> list[Entry]:
        output = self._platform.run(host, f"journalctl --quiet --output=json --all {matches}")
        return [json.loads(line) for line in output.splitlines()]
