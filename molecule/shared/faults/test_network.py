"""The network between the services, the broker and the database fails."""

import pytest

from faults.packets import AMQP, DROP, HALF, MYSQL, RESET, Rule, rules, rules_on
from faults.scene import Scene
from tests.helpers.waiting import wait_until


@pytest.mark.fast
@pytest.mark.fault("connections reset on both sides")
def test_connection_reset(scene: Scene) -> None:
    """Reset every connection to the broker on both sides, and new ones too for some seconds."""
    parts = scene.parts
    broker = parts.platform.only("rabbitmq")
    before = parts.broker.consumer_tags()
    reset = [
        Rule("input", f"tcp dport {AMQP} {RESET}"),
        Rule("output", f"tcp sport {AMQP} {RESET}"),
    ]
    with scene.orders():
        # aborts the broker's side, and tells the other
        ended = parts.on_broker(f"ss --kill --no-header state established 'sport = :{AMQP}'")
        with rules(parts.platform, broker, *reset) as packets:
            scene.pause(1, 4)
            refused = packets.count()
        scene.healed()
        assert ended
        assert refused
        scene.seen(f"{len(ended.splitlines())} connections were reset, and {refused} packets later")
        wait_until(
            "all consumers have new connections",
            lambda: not before & parts.broker.consumer_tags(),
        )


@pytest.mark.fault("one-way packet drop 30 s")
def test_one_way_drop(scene: Scene) -> None:
    """Drop what one side of a service's connections to the broker sends, for 30 seconds.

    The seed says which host's, and which side.
    """
    platform = scene.parts.platform
    host = scene.choose([processor.host for processor in scene.parts.processors])
    rule = scene.choose(
        [Rule("input", f"tcp sport {AMQP} {DROP}"), Rule("output", f"tcp dport {AMQP} {DROP}")]
    )
    with scene.orders():
        with rules(platform, host, rule) as packets:
            scene.pause(30, 30)
            dropped = packets.count()
        assert dropped
        scene.seen(f"{dropped} packets of the {rule.hook} of {host} were dropped")
        scene.healed()


@pytest.mark.fault("50 % packet loss 20 s")
def test_packet_loss(scene: Scene) -> None:
    """Drop every second packet from broker and database to the services' hosts, at random."""
    parts = scene.parts
    hosts = sorted({parts.payment.host, *(processor.host for processor in parts.processors)})
    lossy = [Rule("input", f"tcp sport {port} {HALF}") for port in (AMQP, MYSQL)]
    with scene.orders(repeats_allowed=True):
        with rules_on(parts.platform, hosts, *lossy) as packets:
            scene.pause(20, 20)
            lost = {host: each.count() for host, each in packets.items()}
        assert all(lost.values()), f"a host lost nothing: {lost}"
        scene.seen(f"packets were lost: {', '.join(f'{host} {n}' for host, n in lost.items())}")
        scene.healed()
