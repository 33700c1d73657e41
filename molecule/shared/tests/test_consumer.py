"""A new consumer in twenty lines: the program of docs/messaging.md, as it is, on a live host."""

import json
from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.helpers.broker import VHOST, Broker
from tests.helpers.database import Database
from tests.helpers.greeter import DEAD_LETTERS, DELAYS, NAME, QUEUE, TABLE, Greeter, example
from tests.helpers.journal import Journal
from tests.helpers.services import Service
from tests.helpers.waiting import wait_until

MAX_LINES = 20


@pytest.fixture(scope="module")
def table(database: Database) -> Iterator[None]:
    """Make the table that the program writes to, for as long as it is tested."""
    database.rows(f"CREATE TABLE {TABLE} (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40))")
    yield
    database.rows(f"DROP TABLE {TABLE}")
    database.rows(f"DELETE FROM orders.inbox WHERE consumer = '{NAME}'")  # noqa: S608


@pytest.fixture
def greeter(table: None, processors: list[Service], broker: Broker) -> Iterator[Greeter]:
    """Start the program; it and its queues are gone afterwards."""
    del table
    greeter = Greeter(processors[0], broker)
    try:
        greeter.start()
        wait_until("the consumer waits for messages", lambda: broker.consumers(QUEUE))
        yield greeter
    finally:
        greeter.stop()
        greeter.delete_queues()


def rows(database: Database, name: str) -> int:
    """Return how often somebody was greeted."""
    return database.count(TABLE, f"name = '{name}'")


def greeting(name: object) -> str:
    """Return a message as the program expects it."""
    return json.dumps({"name": name})


def test_the_program_is_as_short_as_it_is_said_to_be() -> None:
    """Twenty lines, not counting blank ones."""
    assert len([line for line in example().splitlines() if line.strip()]) <= MAX_LINES


def test_a_message_becomes_a_row(greeter: Greeter, database: Database) -> None:
    """Published to the exchange that the program has declared, and committed once."""
    greeter.publish(greeting("Ada"))

    wait_until("there is a row", lambda: rows(database, "Ada") == 1)
    wait_until("nothing is in flight", lambda: "0 in flight, 1 processed" in greeter.status)
    assert greeter.status.startswith("connected to ")


def test_a_message_that_comes_twice_has_one_row(
    greeter: Greeter, database: Database, broker: Broker
) -> None:
    """The copy is acknowledged as well."""
    message_id = greeter.publish(greeting("Grace"))
    wait_until("there is a row", lambda: rows(database, "Grace") == 1)

    greeter.publish(greeting("Grace"), message_id)

    wait_until("the queue is empty", lambda: broker.queue(QUEUE)["messages"] == 0)
    assert rows(database, "Grace") == 1


def test_a_bad_message_is_parked_with_its_reason_and_others_go_on(
    greeter: Greeter, database: Database
) -> None:
    """In the program's own dead-letter queue."""
    bad = greeter.publish(greeting(5))
    greeter.publish(greeting("Barbara"))

    wait_until("there is a row", lambda: rows(database, "Barbara") == 1)
    (parked,) = wait_until("the bad message is parked", greeter.parked)
    assert parked["properties"]["message_id"] == bad
    headers = parked["properties"]["headers"]
    assert headers["skillupworks-reason"] == "invalid"
    assert headers["skillupworks-error"].startswith("name: ")
    assert headers["skillupworks-queue"] == QUEUE
    assert headers["skillupworks-routing-key"] == "greeting.sent"


def test_looking_at_what_is_parked_never_drops_it(greeter: Greeter) -> None:
    """RabbitMQ's own limit is twenty deliveries; the queue as it is declared has another."""
    bad = greeter.publish(greeting(5))

    for _ in range(30):
        (parked,) = wait_until("the bad message is parked", greeter.parked)
        assert parked["properties"]["message_id"] == bad


def test_a_message_that_ends_its_consumer_again_and_again_is_parked_by_the_broker(
    greeter: Greeter, database: Database
) -> None:
    """A process that is gone can park nothing; without a limit that says where to, it is lost."""
    greeter.stop()
    greeter.start("import os; os._exit(1)")
    deadly = greeter.publish(greeting("Medusa"))

    (parked,) = wait_until("the broker has parked it", greeter.parked, 180)
    assert parked["properties"]["message_id"] == deadly
    death = parked["properties"]["headers"]["x-death"][0]
    assert (death["queue"], death["reason"]) == (QUEUE, "delivery_limit")
    assert greeter.restarts >= 19

    greeter.stop()
    greeter.start()
    greeter.publish(greeting("Katherine"))
    wait_until("there is a row", lambda: rows(database, "Katherine") == 1)
    assert rows(database, "Medusa") == 0


def test_queues_that_an_earlier_release_made_without_limits_are_used_with_a_warning(
    greeter: Greeter, database: Database, broker: Broker, journal: Journal
) -> None:
    """The broker refuses to declare them with other arguments: an update must survive that."""
    host = greeter.processor.host
    greeter.stop()
    greeter.delete_queues()
    for name in (QUEUE, DEAD_LETTERS):
        bare = {"durable": True, "arguments": {"x-queue-type": "quorum"}}
        broker.put(f"/queues/{VHOST}/{name}", bare)
    cursor = journal.cursor(host)

    def said(words: str) -> bool:
        return any(words in line for line in journal.since(host, greeter.unit, cursor))

    greeter.start()
    wait_until("it is ready", lambda: said("Ready: waiting for messages"))
    assert said(f"Queue '{DEAD_LETTERS}' was made without limits")
    assert said(f"Queue '{QUEUE}' was made without limits")

    bad = greeter.publish(greeting(5))
    greeter.publish(greeting("Annie"))
    wait_until("there is a row", lambda: rows(database, "Annie") == 1)
    (parked,) = wait_until("the bad message is parked", greeter.parked)
    assert parked["properties"]["message_id"] == bad


def test_a_message_that_the_database_does_not_take_is_parked(
    greeter: Greeter, database: Database
) -> None:
    """The name does not fit into the column, whenever it is tried."""
    greeter.publish(greeting("Countess of Lovelace" * 3))
    greeter.publish(greeting("Mary"))

    wait_until("there is a row", lambda: rows(database, "Mary") == 1)
    (parked,) = wait_until("the message is parked", greeter.parked)
    headers = parked["properties"]["headers"]
    assert headers["skillupworks-reason"] == "rejected"
    assert "Data too long" in headers["skillupworks-error"]


def test_messages_whose_table_is_missing_are_held_until_it_is_there(
    greeter: Greeter, database: Database, journal: Journal
) -> None:
    """A database that is not ready is no message's fault: nothing is put aside."""
    host = greeter.processor.host
    cursor = journal.cursor(host)

    def held() -> bool:
        said = journal.since(host, greeter.unit, cursor)
        return any(
            line.endswith("doesn't exist; 1 message is kept and tried again") for line in said
        )

    database.rows(f"RENAME TABLE {TABLE} TO {TABLE}_away")
    try:
        greeter.publish(greeting("Radia"))
        wait_until("it is held", held)
    finally:
        database.rows(f"RENAME TABLE {TABLE}_away TO {TABLE}")

    wait_until("there is a row", lambda: rows(database, "Radia") == 1)
    assert greeter.parked() == []


def test_a_message_that_waits_too_long_for_a_lock_is_tried_again_later(
    greeter: Greeter, database: Database, journal: Journal
) -> None:
    """The database is well, so it is the message's failure: it waits in a queue of its own."""
    host = greeter.processor.host
    cursor = journal.cursor(host)

    def waits() -> bool:
        said = journal.since(host, greeter.unit, cursor)
        return any(line.endswith("is tried again in 2 s") for line in said)

    with database.locked(TABLE):
        greeter.publish(greeting("Hedy"))
        wait_until("it waits for its second attempt", waits)

    wait_until("there is a row", lambda: rows(database, "Hedy") == 1)
    assert greeter.parked() == []


def test_a_message_that_fails_at_all_attempts_is_parked_as_exhausted(
    greeter: Greeter, database: Database, broker: Broker
) -> None:
    """It has waited in the queue of each delay, and says how often and how long it was tried."""
    greeter.stop()
    greeter.start("raise ValueError('the printer is out of paper')")
    failed = greeter.publish(greeting("Joan"))

    (parked,) = wait_until("the message is parked", greeter.parked, 60)
    assert parked["properties"]["message_id"] == failed
    headers = parked["properties"]["headers"]
    assert headers["skillupworks-reason"] == "exhausted"
    assert headers["skillupworks-error"] == "the printer is out of paper"
    assert headers["skillupworks-error-class"] == "ValueError"
    assert headers["skillupworks-attempts"] == len(DELAYS) + 1
    first, last = (
        datetime.fromisoformat(headers[f"skillupworks-{which}-failed-at"])
        for which in ("first", "last")
    )
    assert (last - first).total_seconds() >= sum(DELAYS)
    assert headers["skillupworks-routing-key"] == "greeting.sent"
    wait_until("the queue is empty", lambda: broker.queue(QUEUE)["messages"] == 0)
    assert rows(database, "Joan") == 0


def test_a_second_sigterm_gives_back_what_the_handler_is_at_work_with(
    greeter: Greeter, database: Database, broker: Broker, journal: Journal
) -> None:
    """The first one waits for it; after the second, another consumer has it, once."""
    host = greeter.processor.host
    cursor = journal.cursor(host)
    with database.locked(TABLE):
        greeter.publish(greeting("Margaret"))
        wait_until("the handler waits for the table", lambda: database.waiting("greetings"))

        greeter.signal()
        wait_until("it stops", lambda: greeter.status.startswith("stopping"))
        assert greeter.running
        assert broker.queue(QUEUE)["messages_ready"] == 0

        greeter.signal()
        wait_until("it has ended", lambda: not greeter.running, 10)
        wait_until("it has given back", lambda: broker.queue(QUEUE)["messages_ready"] == 1, 10)
    said = journal.since(host, greeter.unit, cursor)
    assert said.count("Stopping: SIGTERM") == 2

    greeter.start()
    wait_until("there is a row", lambda: rows(database, "Margaret") == 1)
