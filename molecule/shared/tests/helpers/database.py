"""The database as its administrator sees it."""

import shlex
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tests.helpers.hosts import Platform
from tests.helpers.waiting import wait_until

# Longer than any test holds a lock: a test that was killed must not hold it for ever.
LOCK_SECONDS = 120
# Charges of the simulated gateway, as `c`, that took money. What is pending there is taken when its
# time has come, although its row stays as it is.
TAKEN = "c.state IN ('captured', 'pending')"


class Database:
    """The database server, used as root on its own host."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._host = platform.only("mysql")
        self.system = platform.system(self._host)
        self.unit = self.system.database_unit

    def rows(self, statement: str) -> list[list[str]]:
        """Return a statement's rows."""
        query = f"mysql --batch --skip-column-names --execute={shlex.quote(statement)}"
        output = self._platform.run(self._host, query)
        return [line.split("\t") for line in output.splitlines()]

    def value(self, statement: str) -> str:
        """Return the one value of a statement's one row."""
        ((value,),) = self.rows(statement)
        return value

    def count(self, table: str, condition: str) -> int:
        """Return the number of a table's rows that meet the condition."""
        return int(self.value(f"SELECT COUNT(*) FROM {table} WHERE {condition}"))  # noqa: S608

    def orders(self, order_id: str) -> int:
        """Return how often an order is recorded."""
        return self.count("orders.orders", f"order_id = '{order_id}'")

    def rows_of_orders(self, order_ids: Iterable[str]) -> dict[str, int]:
        """Return how often each of these orders is recorded; those that are not are left out."""
        wanted = ", ".join(f"'{order_id}'" for order_id in order_ids)
        counts = f"SELECT order_id, COUNT(*) FROM orders.orders WHERE order_id IN ({wanted})"  # noqa: S608
        return {row[0]: int(row[1]) for row in self.rows(f"{counts} GROUP BY order_id")}

    def paid(self, owner: str) -> dict[str, int]:
        """Return the paid orders of somebody: payment id and total in paise."""
        return self._amounts(
            "SELECT payment_id, total_minor FROM payments.payments"  # noqa: S608
            f" WHERE user_id = '{owner}' AND state = 'paid'"
        )

    def charges(self, owner: str) -> dict[str, int]:
        """Return what the simulated gateway took from somebody: payment id and paise."""
        return self._amounts(
            "SELECT c.payment_id, c.amount_minor FROM payments.simulated_charges c"  # noqa: S608
            " JOIN payments.payments p ON p.payment_id = c.payment_id"
            f" WHERE p.user_id = '{owner}' AND {TAKEN}"
        )

    def charges_without_order(self) -> int:
        """Return how often the simulated gateway took money for what is no paid order."""
        return int(
            self.value(
                "SELECT COUNT(*) FROM payments.simulated_charges c"  # noqa: S608
                " LEFT JOIN payments.payments p"
                " ON p.payment_id = c.payment_id AND p.state = 'paid'"
                f" WHERE {TAKEN} AND p.payment_id IS NULL"
            )
        )

    def unsettled(self) -> int:
        """Return how many orders are not decided, or have stock that is neither sold nor back."""
        return self.count("payments.payments", "state = 'accepted' OR settle_at IS NOT NULL")

    def sold(self, owner: str) -> dict[str, int]:
        """Return how many of each product somebody has paid."""
        return self._amounts(
            "SELECT i.sku, SUM(i.quantity) FROM payments.payment_items i"  # noqa: S608
            " JOIN payments.payments p ON p.payment_id = i.payment_id"
            f" WHERE p.user_id = '{owner}' AND p.state = 'paid' GROUP BY i.sku"
        )

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Let nobody write to a table, so that a transaction stops right there."""
        unit = f"test-lock-{uuid.uuid4().hex[:8]}"
        hold = f"(echo 'LOCK TABLES {table} WRITE;'; exec sleep {LOCK_SECONDS}) | mysql"
        schema, name = table.split(".")
        self._platform.run(
            self._host, f"systemd-run --quiet --collect --unit={unit} sh -c {shlex.quote(hold)}"
        )
        try:
            wait_until(
                f"{table} is locked",
                lambda: self.rows(
                    f"SHOW OPEN TABLES FROM {schema} WHERE `Table`='{name}' AND In_use"
                ),
            )
            yield
        finally:
            self._platform[self._host].run(f"systemctl stop {unit}")

    def _amounts(self, statement: str) -> dict[str, int]:
        return {name: int(amount) for name, amount in self.rows(statement)}

    def waiting(self, word: str) -> list[str]:
        """Return the clients of statements with this word that wait for a table's lock."""
        clients = self.rows(
            "SELECT host FROM information_schema.processlist"  # noqa: S608
            f" WHERE state LIKE 'Waiting for table metadata lock%' AND info LIKE '%{word}%'"
            " AND id <> CONNECTION_ID()"
        )
        return [client.rpartition(":")[0] for (client,) in clients]
