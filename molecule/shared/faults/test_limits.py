"""The broker has no memory, no disk or no room left, or the outbox has none."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from faults.customers import CLIENTS
from faults.records import ready_messages
from faults.rest import POLICY, alarms, restore_limit
from faults.scene import Scene
from tests.helpers.broker import QUEUE, VHOST
from tests.helpers.parts import Parts
from tests.helpers.waiting import wait_until

FULL = 10


@pytest.mark.fault("memory alarm")
def test_memory_alarm(scene: Scene) -> None:
    """Lower the broker's memory limit below what it uses: it takes no messages."""
    _alarm(scene, "memory", "rabbitmqctl set_vm_memory_high_watermark absolute 10MB")


@pytest.mark.fault("disk alarm")
def test_disk_alarm(scene: Scene) -> None:
    """Raise the free disk space that the broker wants above what there is."""
    (free,) = {node["disk_free"] for node in scene.parts.broker.get("/nodes")}
    _alarm(scene, "disk", f"rabbitmqctl set_disk_free_limit {2 * free}")


@pytest.mark.fault("queue full")
def test_queue_full(scene: Scene) -> None:
    """Stop the order processors and let the queue take ten messages only: it refuses the rest."""
    parts = scene.parts
    with scene.orders(), _queue_of(parts, FULL), _nobody_consumes(parts):
        wait_until("the outbox fills", lambda: _outbox(parts) > FULL)
        held = ready_messages(parts)[QUEUE]
        scene.seen(f"the queue held {held} messages, and {_outbox(parts)} waited in the outbox")
        scene.pause(1, 10)
        assert parts.broker.answers()
        scene.healed()


@pytest.mark.fault("outbox full")
def test_outbox_full(scene: Scene) -> None:
    """Let the outbox take 20 messages only while the queue is full: the shop asks for patience.

    Customers wait as long as its Retry-After says.
    """
    parts = scene.parts
    limited = parts.payment.changed("Environment=OUTBOX_LIMIT=20")
    with limited, scene.orders(), _queue_of(parts, FULL), _nobody_consumes(parts):
        wait_until("the outbox is full", lambda: _outbox(parts) >= 20)
        scene.pause(2, 5)
        most = _outbox(parts)
        # as many requests may have been in work when it became full
        assert most < 20 + CLIENTS
        scene.seen(f"{most} messages waited in the outbox")
        scene.healed()
    assert scene.outcome
    told = scene.outcome.put_off.get("503 with Retry-After", 0)
    assert told, f"nobody was asked to come later: {scene.outcome.put_off}"


def _alarm(scene: Scene, name: str, command: str) -> None:
    parts = scene.parts
    with scene.orders():
        try:
            parts.on_broker(command)
            wait_until(f"the {name} alarm is in force", lambda: name in alarms(parts.broker))
            # longer than a publisher waits before it connects anew, or shorter
            scene.pause(8, 24)
            waiting = wait_until("messages wait in the outbox", lambda: _outbox(parts))
            scene.seen(
                f"the {name} alarm was in force, and {waiting} messages waited in the outbox"
            )
        finally:
            restore_limit(parts, name)
        scene.healed()


@contextmanager
def _queue_of(parts: Parts, length: int) -> Iterator[None]:
    """Let the queue take so many messages only; its other limits stay."""
    definition = parts.broker.get(f"/policies/{VHOST}/{QUEUE}")["definition"]
    policy = {
        "pattern": f"^{QUEUE}$",
        "definition": definition | {"max-length": length},
        "priority": 100,
        "apply-to": "queues",
    }
    path = f"/policies/{VHOST}/{POLICY}-queue-full"
    parts.broker.put(path, policy)
    try:
        wait_until(
            "the policy is in force", lambda: parts.broker.queue()["policy"].startswith(POLICY)
        )
        yield
    finally:
        parts.broker.delete(path)


@contextmanager
def _nobody_consumes(parts: Parts) -> Iterator[None]:
    hosts = {processor.host: processor for processor in parts.processors}
    parts.platform.each(hosts, lambda host: hosts[host].stop())
    try:
        yield
    finally:
        parts.platform.each(hosts, lambda host: hosts[host].start())


def _outbox(parts: Parts) -> int:
    return parts.database.count("payments.outbox", "true")
