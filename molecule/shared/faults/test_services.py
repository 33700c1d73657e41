"""A service is killed or stands still in the middle of its work."""

import pytest

from faults.packets import MYSQL, Rule, query, rules
from faults.scene import Scene
from faults.wire import readable_statements
from tests.helpers.services import Service
from tests.helpers.shop import CHARGED, DECIDED_LATER, UNANSWERED
from tests.helpers.waiting import wait_until

KILL = "systemctl kill --signal=KILL"
# the outbox row of an order that is processed already: its message will be published again
PUBLISHED_AND_KEPT = "message_id IN (SELECT order_id FROM orders.orders)"


@pytest.mark.fast
@pytest.mark.fault("consumer `kill -9`")
def test_consumer_kill(scene: Scene) -> None:
    """Kill one order processor while its transaction is open, before the inbox or the order row.

    Its messages go to the other one; systemd starts it again.
    """
    parts = scene.parts
    with scene.orders(repeats_allowed=True):
        table = scene.in_turn(["orders", "inbox"])
        with parts.database.locked(f"orders.{table}"):
            wait_until("an order is in work", lambda: parts.database.waiting(f" {table} "))
            scene.pause(0.0, 1.0)
            victim = scene.choose(parts.processors)
            run = _kill(scene, victim)
        scene.healed()
    _wait_for_next_run(victim, run)


@pytest.mark.fault("consumer `SIGSTOP`")
def test_consumer_stop(scene: Scene) -> None:
    """Stop one order processor for longer than the heartbeat, without a watchdog that ends it.

    The broker gives its messages to the other one; then it goes on with what it had in hand.
    """
    parts = scene.parts
    victim = scene.choose(parts.processors)
    with scene.orders():
        pid = victim.pid
        victim.run("systemctl service-watchdogs no")
        victim.run(f"{KILL.replace('KILL', 'STOP')} {victim.unit}")
        assert victim.run(f"grep State /proc/{pid}/status").split()[1] == "T"
        wait_until("the broker has given it up", lambda: len(parts.broker.consumer_tags()) == 1, 40)
        scene.pause(1, 10)
        scene.seen(f"{victim} was stopped, and the broker closed its connection")
        victim.run(f"systemctl kill --signal=CONT {victim.unit}")
        scene.healed()
        victim.wait_until_ready()
        assert victim.pid == pid


@pytest.mark.fault("payment `kill -9`")
def test_payment_kill(scene: Scene) -> None:
    """Kill the payment service with requests in its hands; customers send them again."""
    # some are charged without an answer, and some decided later
    with scene.orders(cards=(*[CHARGED] * 18, UNANSWERED, DECIDED_LATER)):
        run = _kill(scene, scene.parts.payment)
        scene.healed()
        _wait_for_next_run(scene.parts.payment, run)


@pytest.mark.fault("relay killed between confirm and delete")
def test_relay_kill(scene: Scene) -> None:
    """Drop what would delete published messages from the outbox, then kill the payment service.

    The broker has confirmed them and they are processed; the next run publishes them again.
    """
    parts = scene.parts
    host, database = parts.payment.host, parts.database
    # the statement the relay deletes with; everything else gets through
    deletes = f"tcp dport {MYSQL} {query('DELETE outbo')} counter drop"
    with readable_statements(parts), scene.orders():
        with rules(parts.platform, host, Rule("output", deletes)) as packets:
            wait_until("the relay wants to delete what it published", packets.count)
            kept = wait_until(
                "published messages are processed, and in the outbox",
                lambda: database.count("payments.outbox", PUBLISHED_AND_KEPT),
            )
            scene.pause(0.0, 1.0)
            run = _kill(scene, parts.payment)
        scene.seen(f"{kept} messages were in the outbox although they were processed")
        scene.healed()
        _wait_for_next_run(parts.payment, run)
    repeats = duplicates(scene)
    assert repeats >= kept, f"only {repeats} of {kept} messages came again"


def duplicates(scene: Scene) -> int:
    """Return how many messages the order processors recognised as having come before."""
    return sum(
        len(
            processor.run(
                f"journalctl --quiet --output=cat --since=@{scene.began:.3f}"
                " -t order-processor OUTCOME=duplicate"
            ).splitlines()
        )
        for processor in scene.parts.processors
    )


def _kill(scene: Scene, victim: Service) -> str:
    """Kill a service; return what its run was called."""
    run, pid = victim.invocation, victim.pid
    victim.run(f"{KILL} {victim.unit}")
    wait_until(f"{victim} is gone", lambda: victim.pid != pid)
    scene.seen(f"process {pid} of {victim} was gone")
    return run


def _wait_for_next_run(service: Service, run: str) -> None:
    """Return when systemd has started the service again, and it works."""
    wait_until(f"{service} runs again", lambda: service.ready() and service.invocation != run)
