"""What payment asks on an order's way is killed: the catalogue, and the stores behind the shop."""

import pytest

from faults.scene import Scene
from tests.helpers.services import Service, catalogues
from tests.helpers.waiting import wait_until


@pytest.mark.fault("catalogue `kill -9`")
def test_catalogue_kill(scene: Scene) -> None:
    """Kill the catalogue with reservations in its hands; what it had begun is taken up or undone.

    Customers are asked for patience until systemd has started it again.
    """
    catalogue = catalogues(scene.parts.platform)[0]
    with scene.orders():
        _kill(scene, catalogue)
        catalogue.wait_until_ready()
        scene.healed()


@pytest.mark.fault("Redis or MongoDB `kill -9`")
def test_store_kill(scene: Scene) -> None:
    """Kill the server of the sessions, or of the stock; the seed says which.

    Nothing that it has answered is lost: customers stay who they are, and what is sold stays sold.
    """
    platform = scene.parts.platform
    group, kind = scene.in_turn([("redis", "redis_unit"), ("mongodb", "documents_unit")])
    host = platform.only(group)
    unit = getattr(platform.system(host), kind)
    with scene.orders():
        _kill(scene, Service(platform, host, unit))
        scene.healed()


def _kill(scene: Scene, victim: Service) -> None:
    """Kill a service; return when systemd has started it again."""
    pid = victim.pid
    victim.run(f"systemctl kill --signal=KILL {victim.unit}")
    wait_until(f"{victim} has another process", lambda: victim.pid not in (0, pid), 60)
    scene.seen(f"process {pid} of {victim} was gone")
