"""The database restarts, dies, or commits and cannot say so."""

import pytest

from faults.packets import DROP, MYSQL, Packets, Rule, query, rules_on
from faults.scene import Scene
from faults.wire import readable_statements
from tests.helpers.waiting import wait_until

SERVER = "systemctl show --property=MainPID --value {unit}"


@pytest.mark.fault("MySQL restart")
def test_mysql_restart(scene: Scene) -> None:
    """Restart the database in good order."""
    parts = scene.parts
    with scene.orders(repeats_allowed=True):
        pid = parts.on_database(SERVER.format(unit=parts.database.unit))
        parts.on_database(f"systemctl stop {parts.database.unit}")
        scene.pause(0, 3)
        scene.healed()
        parts.on_database(f"systemctl start {parts.database.unit}")
        assert parts.on_database(SERVER.format(unit=parts.database.unit)) != pid
        scene.seen(f"process {pid} of the database was gone")


@pytest.mark.fast
@pytest.mark.fault("MySQL `kill -9`")
def test_mysql_kill(scene: Scene) -> None:
    """Kill the database; systemd starts it again, and it recovers what was committed."""
    parts = scene.parts
    with scene.orders(repeats_allowed=True):
        pid = parts.on_database(SERVER.format(unit=parts.database.unit))
        parts.on_database(f"systemctl kill --signal=KILL {parts.database.unit}")
        wait_until(
            "the database is gone",
            lambda: parts.on_database(SERVER.format(unit=parts.database.unit)) != pid,
        )
        scene.seen(f"process {pid} of the database was gone")
        scene.healed()
        parts.on_database(f"systemctl start {parts.database.unit}")


@pytest.mark.fast
@pytest.mark.fault("commit reply lost")
def test_commit_reply_lost(scene: Scene) -> None:
    """Let commits reach the database, drop its replies, and then break those connections.

    Services do not know whether it was committed: they must try again without doubling anything.
    """
    parts = scene.parts
    hosts = sorted({parts.payment.host, *(processor.host for processor in parts.processors)})
    commit = f"tcp dport {MYSQL} {query('COMMIT')} numgen random mod 100 < 50"
    mark = Rule("output", f"{commit} add @marked {{ tcp sport }} counter")
    drop = Rule("input", f"tcp sport {MYSQL} tcp dport @marked {DROP}")
    lost = dict.fromkeys(hosts, 0)

    def break_marked(packets: Packets) -> None:
        ports = packets.marked()
        lost[packets.host] += len(ports)
        for port in ports:
            parts.platform.run(packets.host, f"ss --kill --numeric state connected sport = :{port}")

    with readable_statements(parts), scene.orders(repeats_allowed=True):
        for _ in range(3):
            with rules_on(parts.platform, hosts, mark, drop) as packets:
                scene.pause(0.5, 2.0)
                parts.platform.each(hosts, lambda host: break_marked(packets[host]))
            scene.pause(0.2, 1.0)
        assert all(lost.values()), f"no commit's reply was lost on a host: {lost}"
        said = ", ".join(f"{host} {count}" for host, count in lost.items())
        scene.seen(f"connections on which a commit was sent and its reply dropped: {said}")
        scene.healed()
