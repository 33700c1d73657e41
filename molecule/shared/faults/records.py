"""What the platform has recorded, in its tables, queues and journals."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.helpers.broker import DEAD_LETTERS, QUEUE, VHOST, Broker
from tests.helpers.database import TAKEN, Database
from tests.helpers.mongodb import MongoDb
from tests.helpers.parts import Parts
from tests.helpers.services import PYTHON

EMAIL_LINE = "📧 Confirmation email sent (simulated)"
WAREHOUSE_LINE = "📦 Warehouse notified (simulated)"
# what an operator looks at is short; a message of 10 MB is not needed whole
TRUNCATE_BYTES = 20_000
MOST_PARKED = 10_000

# Every key that the suite uses begins like this.
KEYS = "faults"

# Rows of one run: the key, the order, when it was processed, in how many rows, whether its message
# waits, how many lines it has on both sides, its state, its total, and what the gateway took.
ORDERS = """
SELECT p.idempotency_key, p.order_id, UNIX_TIMESTAMP(MAX(o.processed_at)),
  COUNT(o.order_id),
  (SELECT COUNT(*) FROM payments.outbox b WHERE b.message_id = p.order_id),
  (SELECT COUNT(*) FROM payments.payment_items i WHERE i.payment_id = p.payment_id),
  (SELECT COUNT(*) FROM orders.order_items l WHERE l.order_id = p.order_id),
  p.state, COALESCE(p.total_minor, 0),
  (SELECT COALESCE(SUM(c.amount_minor), 0) FROM payments.simulated_charges c
   WHERE c.payment_id = p.payment_id AND {taken})
FROM payments.payments p LEFT JOIN orders.orders o ON o.order_id = p.order_id
WHERE p.idempotency_key LIKE '{prefix}-%' GROUP BY p.idempotency_key, p.order_id, p.payment_id,
  p.state, p.total_minor
"""
# What customers of one run have bought of each product.
BOUGHT = """
SELECT i.sku, SUM(i.quantity)
FROM payments.payment_items i JOIN payments.payments p ON p.payment_id = i.payment_id
WHERE p.idempotency_key LIKE '{prefix}-%' AND p.state = 'paid' GROUP BY i.sku
"""
STRAY_CHARGES = """
SELECT c.payment_id FROM payments.simulated_charges c
LEFT JOIN payments.payments p ON p.payment_id = c.payment_id
WHERE {taken} AND p.payment_id IS NULL
"""
# The ids that payment gives; tests of the catalogue reserve for others.
ORDER_ID = re.compile(r"ORD-\d+")
# A payment's time is its service's, and a fault before this one may have moved that clock.
UNEXPECTED = """
SELECT o.order_id FROM orders.orders o LEFT JOIN payments.payments p ON p.order_id = o.order_id
WHERE o.processed_at >= FROM_UNIXTIME({since})
  AND (p.idempotency_key IS NULL OR p.idempotency_key NOT LIKE '{prefix}-%')
UNION
SELECT p.order_id FROM payments.payments p
WHERE p.created_at >= FROM_UNIXTIME({since}) AND p.idempotency_key NOT LIKE '{ours}-%'
"""
READY = """
import json, pika
account = pika.PlainCredentials("admin", {password!r})
broker = pika.ConnectionParameters({host!r}, credentials=account)
channel = pika.BlockingConnection(broker).channel()
names = {names!r}
print(json.dumps({{n: channel.queue_declare(n, passive=True).method.message_count for n in names}}))
"""


@dataclass(frozen=True)
class Recorded:
    """One order as the database has it."""

    order_id: str
    processed_at: float | None
    rows: int
    in_outbox: bool
    lines_paid: int
    lines_processed: int
    # accepted, paid or rejected; what it costs, and what the gateway has taken for it, in paise
    state: str
    total: int
    charged: int

    @property
    def paid(self) -> bool:
        """Whether it is an order: it was charged, and is to be processed."""
        return self.state == "paid"


@dataclass(frozen=True)
class Effects:
    """How often each order had its effects outside; by order id."""

    emails: Counter[str]
    warehouse: Counter[str]


@dataclass(frozen=True)
class Records:
    """Everything that is recorded about the orders of one run."""

    # by idempotency key; a list, since nothing but the database says that there is one of each
    orders: dict[str, list[Recorded]]
    effects: Effects
    # order ids of messages in the dead-letter queue; what is none of an order's goes by its id
    parked: Counter[str] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    # payments that the gateway was asked for and that payment knows nothing of
    stray_charges: list[str] = field(default_factory=list)
    # of each product, how many customers have bought, and how many are no longer on stock
    bought: Mapping[str, int] = field(default_factory=dict)
    gone: Mapping[str, int] = field(default_factory=dict)
    # how much is still under way, by where it is; all is at rest when there is nothing in it
    waiting: dict[str, int] = field(default_factory=dict)


def read_orders(database: Database, prefix: str) -> dict[str, list[Recorded]]:
    """Return the orders whose idempotency key begins with the prefix."""
    orders: dict[str, list[Recorded]] = {}
    for row in database.rows(_utc(ORDERS.format(prefix=prefix, taken=TAKEN))):
        key, order_id, processed, rows, outbox, paid, lines, state, total, charged = row
        recorded = Recorded(
            order_id=order_id,
            processed_at=None if processed == "NULL" else float(processed),
            rows=int(rows),
            in_outbox=outbox != "0",
            lines_paid=int(paid),
            lines_processed=int(lines),
            state=state,
            total=int(total),
            charged=int(charged),
        )
        orders.setdefault(key, []).append(recorded)
    return orders


def read_bought(database: Database, prefix: str) -> dict[str, int]:
    """Return how many of each product were paid in the orders of a run."""
    return {sku: int(count) for sku, count in database.rows(BOUGHT.format(prefix=prefix))}


def read_stray_charges(database: Database) -> list[str]:
    """Return what the gateway has charged for no payment at all."""
    return [payment_id for (payment_id,) in database.rows(STRAY_CHARGES.format(taken=TAKEN))]


def read_unexpected(database: Database, prefix: str, since: float) -> list[str]:
    """Return orders since a time that no customer of this run has placed."""
    rows = database.rows(_utc(UNEXPECTED.format(prefix=prefix, ours=KEYS, since=since)))
    return [order_id for (order_id,) in rows]


def read_journals(parts: Parts, since: float) -> Effects:
    """Return the effects that the order processors have simulated: a line in a journal each."""

    def lines(text: str) -> Counter[str]:
        command = (
            f"journalctl --quiet --since=@{since:.3f} --output=cat --output-fields=ORDER_ID"
            f" -t order-processor MESSAGE='{text}'"
        )
        hosts = [processor.host for processor in parts.processors]
        found = parts.platform.each(hosts, lambda host: parts.platform.run(host, command))
        return Counter(line for output in found.values() for line in output.splitlines())

    return Effects(emails=lines(EMAIL_LINE), warehouse=lines(WAREHOUSE_LINE))


def read_parked(broker: Broker) -> Counter[str]:
    """Return what is in the dead-letter queue, and leave it there."""
    return Counter(map(_name, peek_parked(broker)))


def peek_parked(broker: Broker) -> list[dict[str, Any]]:
    """Return the messages of the dead-letter queue, long ones cut, and leave them there."""
    messages: list[dict[str, Any]] = broker.post(
        f"/queues/{VHOST}/{DEAD_LETTERS}/get",
        {
            "count": MOST_PARKED,
            "ackmode": "ack_requeue_true",
            "encoding": "auto",
            "truncate": TRUNCATE_BYTES,
        },
    )
    return messages


def read_waiting(parts: Parts) -> dict[str, int]:
    """Return where something is under way, and how much; nothing when all is at rest.

    The numbers of messages ready come from a passive declare: what the broker lists may be
    seconds old, and is for a while 0 for queues that hold messages.
    """
    counts = {
        "outbox": parts.database.count("payments.outbox", "true"),
        "effects": _waiting_effects(parts.database),
        "undecided orders": parts.database.count("payments.payments", "state = 'accepted'"),
        "orders with stock": parts.database.count(
            "payments.payments", "state <> 'accepted' AND settle_at IS NOT NULL"
        ),
        "reservations": len(
            [*filter(ORDER_ID.fullmatch, MongoDb(parts.platform).held_orders())],
        ),
        "unacknowledged": parts.broker.queue()["messages_unacknowledged"],
        **ready_messages(parts),
    }
    counts.pop(DEAD_LETTERS, None)
    return {where: count for where, count in counts.items() if count}


def ready_messages(parts: Parts) -> dict[str, int]:
    """Return how many messages are ready in the order processors' queues, by queue."""
    names = [
        queue["name"]
        for queue in parts.broker.get(f"/queues/{VHOST}?disable_stats=true")
        if queue["name"].startswith(QUEUE)
    ]
    platform = parts.platform
    script = READY.format(
        host=platform.address(platform.only("rabbitmq")),
        password=platform.secrets["vault_rabbitmq_admin_password"],
        names=names,
    )
    # from a host that may speak to the broker; the script's text is not in the list of processes
    counts: dict[str, int] = json.loads(platform.feed(parts.payment.host, f"{PYTHON} -", script))
    return counts


def _waiting_effects(database: Database) -> int:
    """Count effects that are still to be delivered; those given up are missing, not waiting."""
    return database.count("orders.effects", "due_at IS NOT NULL")


def _name(message: dict[str, Any]) -> str:
    try:
        return str(json.loads(message["payload"])["orderId"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return str(message["properties"].get("message_id", "without id"))


def _utc(statement: str) -> str:
    return f"SET time_zone='+00:00'; {statement}"
