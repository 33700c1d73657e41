"""The broker stops, dies, or loses its power."""

import pytest

from faults.power import power_off, power_on
from faults.scene import Scene
from tests.helpers.waiting import wait_until

BACK_SECONDS = 90


@pytest.mark.fault("broker restart")
def test_broker_restart(scene: Scene) -> None:
    """Restart the broker in good order."""
    parts = scene.parts
    with scene.orders():
        parts.on_broker("systemctl stop rabbitmq-server")
        assert not parts.broker.answers()
        scene.seen("the broker did not answer")
        scene.pause(0, 3)
        scene.healed()
        parts.on_broker("systemctl start rabbitmq-server")
        wait_until("the broker is back", parts.broker.answers, BACK_SECONDS)


@pytest.mark.fault("broker `kill -9`")
def test_broker_kill(scene: Scene) -> None:
    """Kill everything the broker consists of; systemd starts it again."""
    parts = scene.parts
    with scene.orders():
        parts.on_broker("systemctl kill --signal=KILL rabbitmq-server")
        wait_until("the broker is gone", lambda: not parts.broker.answers())
        scene.seen("the broker did not answer")
        scene.healed()
        wait_until("the broker is back", parts.broker.answers, BACK_SECONDS)


@pytest.mark.fault("broker's host powered off")
def test_broker_power(scene: Scene) -> None:
    """Power the broker's host off, in order or by pulling its plug, and boot it again."""
    platform = scene.parts.platform
    host = platform.only("rabbitmq")
    with scene.orders():
        power_off(platform, host, in_order=scene.choose([True, False]))
        assert platform.down() != []
        scene.seen(f"host {host} did not answer over SSH")
        scene.pause(0, 10)
        scene.healed()
        power_on(platform)
        wait_until("the broker is back", scene.parts.broker.answers, BACK_SECONDS)
