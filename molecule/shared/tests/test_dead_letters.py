"""`skillupworks dlq` on live hosts: parked messages are found, replayed, dropped, brought back."""

import base64
import json
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.helpers.broker import DEAD_LETTERS, QUEUE, VHOST, Broker, Json, order_message
from tests.helpers.database import Database
from tests.helpers.dead_letters import FOLDER, DeadLetterTool
from tests.helpers.hosts import Platform
from tests.helpers.journal import Journal
from tests.helpers.parts import Parts
from tests.helpers.waiting import wait_until

# A header that AMQP calls a time and no calendar has: milliseconds where seconds belong.
NO_DATE = {"$time": 1702554000123}


@pytest.fixture(scope="module")
def dlq(platform: Platform) -> DeadLetterTool:
    """Return the tool on a host of the services."""
    return DeadLetterTool(platform, platform.group("order_processor")[0])


@pytest.fixture
def files(dlq: DeadLetterTool) -> Iterator[str]:
    """Return the beginning of names for files on the host, which are deleted afterwards."""
    prefix = f"test-{uuid.uuid4().hex[:8]}"
    yield prefix
    dlq.platform.run(dlq.host, f"rm -f {FOLDER}/{prefix}*")


@pytest.fixture(autouse=True)
def _no_parked_messages_stay(dlq: DeadLetterTool, broker: Broker) -> Iterator[None]:
    """Empty the dead-letter queue afterwards, unless there was something in it before."""
    empty = dlq.count() == 0
    yield
    if empty:
        broker.purge_parked()


def record(order: Json, **headers: object) -> Json:
    """Return an order as the tool's file has a message: parked, though nothing is wrong with it."""
    return {
        "queue": DEAD_LETTERS,
        "properties": {
            "message_id": f"test-{order['orderId']}",
            "content_type": "application/json",
            "type": "order.created",
        },
        "headers": {"skillupworks-queue": QUEUE, "skillupworks-reason": "test"} | headers,
        "body": base64.b64encode(json.dumps(order).encode()).decode(),
    }


def park(dlq: DeadLetterTool, name: str, *orders: Json, **headers: object) -> list[str]:
    """Put orders into the dead-letter queue; return their message ids."""
    records = [record(order, **headers) for order in orders]
    dlq.write(name, records)
    assert dlq.json("import", name)["imported"] == len(orders)
    return [str(entry["properties"]["message_id"]) for entry in records]


def test_an_order_is_parked_found_understood_repaired_and_replayed(
    dlq: DeadLetterTool, broker: Broker, database: Database, journal: Journal
) -> None:
    """The way of an operator, from the first look to the processed order."""
    # Given an order that cannot be recorded: another payment has its id
    order = order_message()
    order_id = order["orderId"]
    broker.publish(order | {"paymentId": "pay_other"})
    journal.block(order_id)
    message_id = broker.publish(order)
    broker.wait_for_parked(message_id)

    # When the operator looks
    listed = dlq.run("list", "--reason", "conflict", "--newer-than", "10m")
    shown = dlq.run("show", order_id)

    # Then it is said what is wrong, with what, and where to read on
    assert message_id in listed.stdout
    assert "conflict" in listed.stdout
    assert "orderId" in shown.stdout
    assert f'"paymentId": "pay_{order_id}"' in shown.stdout
    assert f"journalctl MESSAGE_ID={message_id}" in shown.stdout

    # When the cause is gone, and the message is replayed
    _delete_order(database, order_id)
    dry = dlq.run("replay", "--order", order_id, "--dry-run")
    assert f"would be replayed to {QUEUE}" in dry.stderr
    assert message_id in dlq.parked()
    report = dlq.json("replay", "--order", order_id)

    # Then it is processed, once, and its history is known
    assert (report["replayed"], report["problems"]) == (1, [])
    wait_until("the order is recorded", lambda: database.orders(order_id) == 1)
    assert database.count("orders.orders", f"payment_id = 'pay_{order_id}'") == 1
    assert message_id not in dlq.parked()


def test_what_fails_again_is_parked_again_with_its_history(
    dlq: DeadLetterTool, broker: Broker
) -> None:
    """The message id stays, and so does what was done with it."""
    message_id = broker.publish(b"{")
    broker.wait_for_parked(message_id)
    for replays in (1, 2):
        dlq.run("replay", "--message-id", message_id)
        wait_until(
            "it is parked again",
            lambda replays=replays: (  # type: ignore[misc]
                dlq.parked().get(message_id, {}).get("replays") == replays
            ),
        )

    (message,) = dlq.json("show", message_id)["messages"]
    assert len(message["history"]) == 2
    assert f"@{dlq.host} to {QUEUE}; was parked: malformed" in message["history"][0]
    assert (message["reason"], message["body"]) == ("malformed", "{")
    assert message["exchange"] == "skillupworks"


@pytest.mark.parametrize(
    ("command", "status"), [("--signal=INT", 130), ("--signal=TERM", 130), ("--signal=KILL", 137)]
)
def test_a_replay_may_be_interrupted_and_run_again(
    dlq: DeadLetterTool, parts: Parts, files: str, command: str, status: int
) -> None:
    """Nothing is lost on the way, and nothing is processed twice."""
    orders = {order["orderId"]: order for order in (order_message() for _ in range(40))}
    message_ids = park(dlq, f"{files}.jsonl", *orders.values())

    cut_off = f"timeout --preserve-status {command} 2"
    dlq.run("replay", "--reason", "test", "--rate", "8", before=cut_off, status=status)

    left = set(message_ids) & set(dlq.parked())
    assert 0 < len(left) < len(orders)
    dlq.run("replay", "--reason", "test", "--rate", "0")
    _assert_each_processed_once(parts, orders)
    assert not set(message_ids) & set(dlq.parked())


def test_a_replay_keeps_to_its_rate_and_says_how_far_it_came(
    dlq: DeadLetterTool, journal: Journal, files: str
) -> None:
    """Interrupted, it ends after the message in hand."""
    orders = [order_message() for _ in range(40)]
    park(dlq, f"{files}.jsonl", *orders)
    first, sixth = orders[0]["orderId"], orders[5]["orderId"]

    with ThreadPoolExecutor(1) as pool:
        words = ("replay", "--reason", "test", "--rate", "5")
        replay = pool.submit(dlq.run, *words, status=130)
        wait_until("the sixth is processed", lambda: journal.of_order(sixth), 60)
        dlq.platform.run(dlq.host, "pkill --signal INT --exact skillupworks")
        said = replay.result().stderr

    number = int(said.split()[0])
    assert 6 <= number < 40
    assert f"{number} messages replayed from {DEAD_LETTERS}" in said
    assert "Ended early, as asked" in said
    assert len(dlq.parked("--reason", "test")) == 40 - number
    begin, end = (
        int(journal.of_order(order)[0]["_SOURCE_REALTIME_TIMESTAMP"]) for order in (first, sixth)
    )
    # five fifths of a second; a consumer may have been late with the first of them
    assert (end - begin) / 1_000_000 > 0.8


def test_what_is_dropped_is_kept_in_a_file_and_can_be_brought_back(
    dlq: DeadLetterTool, broker: Broker, files: str
) -> None:
    """Nobody can read the file but root; importing it twice changes nothing."""
    dropped, kept = broker.publish(b"dropped"), broker.publish(b"kept")
    before = {message_id: broker.wait_for_parked(message_id) for message_id in (dropped, kept)}

    dlq.run("drop", "--message-id", dropped, "--yes", "--to", f"{files}.jsonl")

    assert dropped not in dlq.parked()
    assert kept in dlq.parked()
    file = dlq.platform[dlq.host].file(f"{FOLDER}/{files}.jsonl")
    assert (file.user, file.mode) == ("root", 0o600)
    (line,) = dlq.read(f"{files}.jsonl")
    assert base64.b64decode(line["body"]) == b"dropped"

    assert dlq.json("import", f"{files}.jsonl")["imported"] == 1
    assert dlq.json("import", f"{files}.jsonl")["skipped"] == 1
    after = broker.parked()[dropped]
    # the broker's own, by its version: it was looked at
    for count in ("x-delivery-count", "x-acquired-count"):
        after["properties"]["headers"].pop(count, None)
    assert after["properties"] == before[dropped]["properties"]
    assert after["payload"] == before[dropped]["payload"]


def test_drop_asks_and_without_an_answer_nothing_is_dropped(
    dlq: DeadLetterTool, broker: Broker
) -> None:
    """There is no file either."""
    message_id = broker.publish(b"{")
    broker.wait_for_parked(message_id)
    files = dlq.platform.run(dlq.host, f"ls {FOLDER}")

    said = dlq.run("drop", before="echo n |", status=1).stderr

    assert f"from {DEAD_LETTERS}, and keep them in {DEAD_LETTERS}-dropped-" in said
    assert message_id in dlq.parked()
    assert dlq.platform.run(dlq.host, f"ls {FOLDER}") == files


def test_a_queue_is_the_same_after_export_drop_and_import(
    dlq: DeadLetterTool, broker: Broker, files: str
) -> None:
    """With every type of header, and with bodies that are no text."""
    headers: dict[str, Any] = {
        "when": {"$time": "2026-01-01T00:00:00+00:00"},
        "no-date": NO_DATE,
        "amount": {"$decimal": "19.99"},
        "factor": 0.25,
        "large": 2**62,
        "raw": {"$bytes": "/wA="},
        "nested": {"list": [1, "two", None, True]},
    }
    message_ids = park(dlq, f"{files}-1.jsonl", *(order_message() for _ in range(100)), **headers)
    binary = broker.publish(b"\xff\xfe\x00")
    broker.wait_for_parked(binary)

    def export(name: str) -> list[str]:
        dlq.run("export", "--to", name)
        return sorted(json.dumps(line, sort_keys=True) for line in dlq.read(name))

    before = export(f"{files}-2.jsonl")
    dlq.run("drop", "--yes", "--to", f"{files}-3.jsonl")
    assert dlq.count() == 0
    dlq.run("import", f"{files}-3.jsonl")

    assert export(f"{files}-4.jsonl") == before
    assert {*message_ids, binary} <= set(dlq.parked())
    shown = dlq.json("show", message_ids[0])["messages"][0]["headers"]
    assert {name: shown[name] for name in headers} == headers


def test_a_message_that_the_broker_parked_itself_goes_back_where_it_was(
    dlq: DeadLetterTool, broker: Broker
) -> None:
    """It has no headers of a consumer; the broker's own ones tell reason and queue."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    dead = f"{name}-dlq"
    arguments = {"x-queue-type": "quorum"}
    moved = {
        "x-delivery-limit": 1,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": dead,
    }
    broker.put(f"/queues/{VHOST}/{dead}", {"durable": True, "arguments": arguments})
    broker.put(f"/queues/{VHOST}/{name}", {"durable": True, "arguments": arguments | moved})
    try:
        wait_until("the queue takes messages", lambda: broker.try_publish(name, "poison"))
        take = {"count": 1, "ackmode": "reject_requeue_true", "encoding": "auto"}

        def taken() -> bool:
            broker.post(f"/queues/{VHOST}/{name}/get", take)
            return dlq.count(dead) > 0

        wait_until("the delivery limit is reached", taken)

        (message,) = dlq.parked("--queue", dead).values()
        assert (message["reason"], message["queue"]) == ("delivery_limit", name)
        assert message["key"].startswith("sha256:")
        dlq.run("replay", "--queue", dead, "--message-id", message["key"])
        assert broker.drain(name) == ["poison"]
        assert dlq.count(dead) == 0
    finally:
        for queue in (name, dead):
            broker.delete(f"/queues/{VHOST}/{queue}")


def test_a_header_that_is_no_date_stops_nobody(
    dlq: DeadLetterTool, parts: Parts, files: str
) -> None:
    """Neither the tool nor the order processor loses its connection over it."""
    order = order_message()
    tags = parts.broker.consumer_tags()
    park(dlq, f"{files}.jsonl", order, when=NO_DATE)

    dlq.run("replay", "--reason", "test")

    _assert_each_processed_once(parts, [order["orderId"]])
    assert parts.broker.consumer_tags() == tags


def test_the_tool_runs_on_the_broker_as_well(platform: Platform, dlq: DeadLetterTool) -> None:
    """With the same result."""
    on_broker = DeadLetterTool(platform, platform.only("rabbitmq"))

    assert on_broker.parked() == dlq.parked()


@pytest.mark.parametrize(
    ("before", "words", "status", "said"),
    [
        ("", ("list", "--queue", "nope"), 1, "Error: there is no queue 'nope' on RabbitMQ "),
        ("", ("list", "--queue", QUEUE), 1, f"Error: queue '{QUEUE}' has consumers"),
        ("RABBITMQ_PASS=wrong", ("list",), 1, "Error: Access refused for user 'skillupworks' "),
        ("RABBITMQ_PORT=x", ("list",), 1, "Error: RABBITMQ_PORT: must be between 1 and 65535"),
        ("runuser -u nobody --", ("list",), 1, "Error: only root may read /etc/skillupworks/"),
        ("", ("show", "nobody"), 1, "Error: there is no message 'nobody' in "),
        ("", ("import", "/nowhere"), 1, "Error: /nowhere: No such file or directory"),
        ("", ("list", "--older-than", "5y"), 2, "'5y' is no age"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_in_one_line(
    dlq: DeadLetterTool, before: str, words: tuple[str, ...], status: int, said: str
) -> None:
    """Without a traceback, and with a status that a script can use."""
    result = dlq.run(*words, before=before, status=status)

    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def _assert_each_processed_once(parts: Parts, order_ids: Iterable[str]) -> None:
    """Wait until nothing is on its way; each order has one row and one e-mail."""
    once = dict.fromkeys(order_ids, 1)
    wait_until("the orders are recorded", lambda: parts.database.rows_of_orders(once) == once)
    wait_until(
        "the e-mails are sent", lambda: sum(parts.journal.emails_of(once).values()) >= len(once)
    )
    wait_until("the queue is empty", lambda: parts.broker.queue()["messages"] == 0)
    assert parts.journal.emails_of(once) == once


def _delete_order(database: Database, order_id: str) -> None:
    for table in ("orders.order_items", "orders.orders"):
        database.rows(f"DELETE FROM {table} WHERE order_id = '{order_id}'")  # noqa: S608
