"""Messages come twice, are bad, or are far too large."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from faults.customers import RATE
from faults.records import peek_parked
from faults.scene import Scene
from tests.helpers.broker import QUEUE, Json, order_message
from tests.helpers.services import Service

MEGABYTES = 10
# below the broker's limit, and far above what an order may have
TAKEN_BYTES = 10**6
# one message in five is bad
POISON_RATE = RATE / 4
# a bad message must not keep the others waiting
BLOCKED_SECONDS = 3.0

CONNECT = """
import json, os, time, pika
broker = pika.ConnectionParameters(
    os.environ["RABBITMQ_HOST"].split(",")[0],
    credentials=pika.PlainCredentials(os.environ["RABBITMQ_USER"], os.environ["RABBITMQ_PASS"]),
    heartbeat=0,
)
channel = pika.BlockingConnection(broker).channel()
channel.confirm_delivery()
"""
# Publishes every order's message once more, the moment it is published first.
COPY = f"""{CONNECT}
tap = channel.queue_declare("", exclusive=True).method.queue
channel.queue_bind(tap, "skillupworks", "order.created")
copied, end = 0, time.monotonic() + {{seconds}}
for method, properties, body in channel.consume(tap, auto_ack=True, inactivity_timeout=0.1):
    if method:
        channel.basic_publish("", "{QUEUE}", body, properties, mandatory=True)
        copied += 1
    if time.monotonic() > end:
        break
print(json.dumps(copied))
"""
LARGE = f"""{CONNECT}
size = {{size}}
body = {{body}}
properties = pika.BasicProperties(
    content_type="application/json", delivery_mode=2, message_id="{{message_id}}"
)
try:
    channel.basic_publish("", "{QUEUE}", body, properties, mandatory=True)
    answer = "taken"
except pika.exceptions.ChannelClosedByBroker as error:
    answer = error.reply_text
print(json.dumps(answer))
"""


@pytest.mark.fast
@pytest.mark.fault("duplicates in parallel")
def test_duplicates(scene: Scene) -> None:
    """Publish the message of every order twice more, from two hosts, as soon as it is published.

    All three are delivered within milliseconds, to both order processors.
    """
    processors = scene.parts.processors
    with scene.orders():
        seconds = scene.random.uniform(5, 10)
        with ThreadPoolExecutor() as pool:
            copied = list(
                pool.map(lambda each: each.python(COPY.format(seconds=seconds)), processors)
            )
        scene.healed()
        assert all(copied), f"copies: {copied}"
        scene.seen(f"{sum(copied)} copies were published")
    noticed = {str(each): _duplicates(each, scene.began) for each in processors}
    assert sum(noticed.values()) >= sum(copied), f"of {sum(copied)} copies, were noticed: {noticed}"
    assert all(noticed.values()), f"one order processor met no duplicates: {noticed}"


@pytest.mark.fast
@pytest.mark.fault("poison flood, 20 %")
def test_poison(scene: Scene) -> None:
    """Publish bad messages, of many kinds, one for every four orders; all are parked."""
    sent: list[str] = []
    with scene.orders(parked=lambda: len(sent)):
        for _ in range(int(POISON_RATE * scene.random.uniform(5, 10))):
            body, options = _poison(scene.random)
            sent.append(scene.parts.broker.publish(body, **options))
            scene.pause(0.5 / POISON_RATE, 1.5 / POISON_RATE)
        scene.seen(f"{len(sent)} bad messages were published")
        scene.healed()
    parked = [message["properties"]["message_id"] for message in peek_parked(scene.parts.broker)]
    assert sorted(parked) == sorted(sent)
    _assert_nobody_waited(scene)


@pytest.mark.fault(f"message of {MEGABYTES} MB")
def test_large_message(scene: Scene) -> None:
    """Publish noise, text, and an order with a very long name, each of ten megabytes and of one.

    The broker refuses the larger ones; the others, which no order can be, are parked.
    """
    bodies = [
        "os.urandom(size)",
        'b"x" * size',
        f"json.dumps({order_message()!r} | {{'sessionId': 's' * size}}).encode()",
    ]
    scene.random.shuffle(bodies)
    parked: list[str] = []
    with scene.orders(parked=lambda: len(parked)):
        for number, body in enumerate(bodies):
            refused = _publish_large(scene, body, MEGABYTES * 10**6, "refused")
            assert refused.startswith("PRECONDITION_FAILED - message size"), refused
            parked.append(f"large-{number}")
            taken = _publish_large(scene, body, TAKEN_BYTES, parked[-1])
            assert taken == "taken"
            scene.pause(0.5, 2)
        scene.healed()
        scene.seen(f"the broker said: {refused}")
    found = [message["properties"]["message_id"] for message in peek_parked(scene.parts.broker)]
    assert sorted(found) == parked
    _assert_nobody_waited(scene)


def _publish_large(scene: Scene, body: str, size: int, message_id: str) -> str:
    script = LARGE.format(body=body, size=size, message_id=message_id)
    return str(scene.parts.payment.python(script))


def _poison(chance: random.Random) -> tuple[bytes | Json, Json]:
    """Return the body and the options of a message that nobody should have sent."""
    kinds: list[tuple[bytes | Json, Json]] = [
        (b"", {}),
        (b"{", {}),
        (b"\xff\xfe\x00", {}),
        (b"[]", {}),
        (b"[" * chance.randint(1_000, 100_000), {}),
        (b'{"total": NaN}', {}),
        (chance.randbytes(chance.randint(1, 10_000)), {}),
        (order_message(orderId=None), {}),
        (order_message(total=chance.randint(10_000, 20_000)), {}),
        (order_message(items=[]), {}),
        (order_message(timestamp="yesterday"), {}),
        (order_message(sessionId="s" * 300_000), {}),
        (order_message(), {"content_type": "text/xml"}),
        (b"{", {"headers": {"skillupworks-attempts": "many", "traceparent": "00-zz"}}),
    ]
    return chance.choice(kinds)


def _assert_nobody_waited(scene: Scene) -> None:
    assert scene.outcome
    gap = scene.outcome.account.processing_gap
    assert gap < BLOCKED_SECONDS, f"no order was processed for {gap:.1f} s"


def _duplicates(processor: Service, since: float) -> int:
    command = f"journalctl --quiet --output=cat --since=@{since:.3f} -t order-processor"
    return len(processor.run(f"{command} OUTCOME=duplicate").splitlines())
