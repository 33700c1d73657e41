"""The database: strict, durable, and open to each service for its own data only."""

from pathlib import Path

import pytest

from tests.helpers.database import Database
from tests.helpers.hosts import Platform
from tests.helpers.services import Service, shippings

# What MariaDB and MySQL answer to somebody who may not.
DENIED = (1044, 1142, 1143, 1227, 1370)

ATTEMPTS = """
import json, os, pymysql
connection = pymysql.connect(
    host=os.environ["MYSQL_HOST"], user=os.environ["MYSQL_USER"],
    password=os.environ["MYSQL_PASS"], autocommit=True)
answers = []
for statement in {statements!r}:
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
        answers.append(0)
    except pymysql.err.MySQLError as error:
        answers.append(error.args[0])
print(json.dumps(answers))
"""

# Two connections that one thread makes are used by another, which loses the first of them.
LOSE_ONE_OF_TWO = """
import json, os, socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from skillupworks.errors import StoreUnavailableError
from skillupworks.runtime.database import Database
from skillupworks.runtime.settings import load
from skillupworks.shop.payment import PaymentsDatabaseSettings

def ask(stack, cursor):
    try:
        with stack:
            cursor.execute("SELECT SLEEP(0.2)")
    except StoreUnavailableError as error:
        return str(error)
    return "answered"

database = Database(load(PaymentsDatabaseSettings), size=2)
parts = []
for _ in range(2):
    stack = ExitStack()
    parts.append((stack, stack.enter_context(database.transaction())))
line = parts[0][1].connection._sock
assert line.version().startswith("TLS"), line.version()
socket.socket(fileno=os.dup(line.fileno())).shutdown(socket.SHUT_WR)
with ThreadPoolExecutor(1) as thread:
    print(json.dumps([thread.submit(ask, *part).result() for part in parts]))
"""


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("innodb_flush_log_at_trx_commit", "1"),
        ("sync_binlog", "1"),
        ("character_set_server", "utf8mb4"),
        ("slow_query_log", "1"),
        ("long_query_time", "0.500000"),
        ("skip_name_resolve", "1"),
    ],
)
def test_the_server_works_with_the_roles_setting(
    database: Database, setting: str, expected: str
) -> None:
    """Asked of the running server, not read from its file."""
    assert database.value(f"SELECT @@GLOBAL.{setting}") == expected


def test_the_server_refuses_what_it_would_have_to_change(database: Database) -> None:
    """Strict mode: a text that is too long is an error, not a shorter text."""
    modes = set(database.value("SELECT @@GLOBAL.sql_mode").split(","))
    assert {"STRICT_TRANS_TABLES", "ERROR_FOR_DIVISION_BY_ZERO", "NO_ZERO_DATE"} <= modes
    with pytest.raises(AssertionError, match="Data too long"):
        database.rows(
            "CREATE TEMPORARY TABLE orders.test_strict (t CHAR(2));"
            "INSERT INTO orders.test_strict VALUES ('abc')"
        )


@pytest.mark.parametrize("schema", ["orders", "payments"])
def test_text_of_every_language_is_kept(database: Database, schema: str) -> None:
    """The databases, and every table in them, are utf8mb4."""
    default = f"schema_name = '{schema}' AND default_character_set_name = 'utf8mb4'"
    assert database.count("information_schema.schemata", default) == 1
    assert database.count("information_schema.tables", f"table_schema = '{schema}'") > 0
    others = f"table_schema = '{schema}' AND table_collation NOT LIKE 'utf8mb4%'"
    assert database.count("information_schema.tables", others) == 0


def test_a_slow_statement_is_written_down(platform: Platform, database: Database) -> None:
    """The slow log is there and is written to."""
    database.rows("SELECT SLEEP(0.7), 'a slow statement of the tests'")
    # MariaDB's name of it is relative, MySQL's is not
    file = Path(database.value("SELECT @@datadir"), database.value("SELECT @@slow_query_log_file"))
    tail = platform.run(platform.only("mysql"), f"tail --lines=5 {file}")
    assert "a slow statement of the tests" in tail


def test_payment_may_work_with_its_data_and_read_orders_and_nothing_else(payment: Service) -> None:
    """Tried out with the service's own password, from its own host; harmless if it could."""
    assert _attempts(
        payment,
        "SELECT 1 FROM payments.payments LIMIT 1",
        "SELECT 1 FROM orders.orders LIMIT 1",
        "DELETE FROM payments.outbox WHERE id < 0",
    ) == [0, 0, 0]
    denied = _attempts(
        payment,
        "DROP TABLE payments.test_none",
        "CREATE TABLE payments.test_more (t INT)",
        "ALTER TABLE payments.test_none ADD COLUMN t INT",
        "TRUNCATE TABLE payments.test_none",
        "INSERT INTO orders.inbox (consumer) VALUES ('x')",
        "DELETE FROM orders.orders WHERE order_id = ''",
        "UPDATE orders.orders SET state = '' WHERE order_id = ''",
        "SELECT * FROM mysql.global_priv",
        "SET GLOBAL max_connections = 200",
        "GRANT ALL ON payments.* TO CURRENT_USER",
    )
    assert all(answer in DENIED for answer in denied), denied


def test_the_order_processor_may_work_with_orders_and_nothing_else(
    processors: list[Service],
) -> None:
    """The same on each host that processes orders."""
    for processor in processors:
        assert _attempts(
            processor,
            "SELECT 1 FROM orders.orders LIMIT 1",
            "DELETE FROM orders.inbox WHERE message_id = 'none'",
        ) == [0, 0]
        denied = _attempts(
            processor,
            "SELECT 1 FROM payments.payments",
            "SELECT 1 FROM payments.outbox",
            "DELETE FROM payments.outbox WHERE id < 0",
            "DROP TABLE orders.test_none",
            "CREATE TABLE orders.test_more (t INT)",
            "SELECT * FROM mysql.global_priv",
        )
        assert all(answer in DENIED for answer in denied), denied


def test_shipping_may_read_the_places_and_nothing_else(platform: Platform) -> None:
    """Nothing that it is asked can change them."""
    (shipping,) = shippings(platform)
    assert _attempts(shipping, "SELECT 1 FROM shipping.cities LIMIT 1") == [0]
    denied = _attempts(
        shipping,
        "DELETE FROM shipping.cities WHERE city_id < 0",
        "UPDATE shipping.countries SET name = '' WHERE code = ''",
        "SELECT 1 FROM payments.payments",
        "SELECT 1 FROM orders.orders",
        "SELECT * FROM mysql.global_priv",
    )
    assert all(answer in DENIED for answer in denied), denied


def test_an_account_is_bound_to_the_addresses_of_its_services_hosts(
    platform: Platform, database: Database
) -> None:
    """There is no account that may come from anywhere, and none beyond these."""
    accounts = {tuple(row) for row in database.rows("SELECT user, host FROM mysql.user")}
    system = {account for account in accounts if account[1] == "localhost"}
    expected = {
        "payment": ("payment", "payments_owner"),
        "order_processor": ("order_processor", "orders_owner"),
        "shipping": ("shipping", "shipping_owner"),
    }
    assert accounts - system == {
        (user, platform.address(name))
        for group, users in expected.items()
        for user in users
        for name in platform.group(group)
    }


def test_the_database_starts_with_its_host(platform: Platform) -> None:
    """The unit is enabled."""
    host = platform.only("mysql")
    assert platform[host].service(platform.system(host).database_unit).is_enabled


def _attempts(service: Service, *statements: str) -> list[int]:
    """Run statements with the service's own account; return the error of each, 0 for none."""
    answers: list[int] = service.python(ATTEMPTS.format(statements=list(statements)))
    return answers


def test_a_lost_connection_does_not_spoil_those_that_are_left(payment: Service) -> None:
    """Python would take the first one's error for one of the second, and of all that follow."""
    lost, kept = payment.python(LOSE_ONE_OF_TWO)
    assert "server has gone away" in lost
    assert kept == "answered"
