"""The document store: it keeps what it acknowledged, and can be reached by who needs it alone.

The engine of the Debian lab has no accounts: that a password is needed is true of mongodb-org,
which the role configures so, and which only RHEL has.
"""

import re

import pytest

from tests.helpers import ansible
from tests.helpers.hosts import Platform
from tests.helpers.mongodb import MongoDb
from tests.helpers.waiting import wait_until


@pytest.fixture(scope="module")
def store(platform: Platform) -> MongoDb:
    """Return the document store."""
    return MongoDb(platform)


def test_it_cannot_be_reached_from_hosts_that_do_not_need_it(platform: Platform) -> None:
    """Where it has no password, the firewall is what keeps others out."""
    address = platform.address(platform.only("mongodb"))
    connect = f"timeout 5 bash -c 'exec 3<>/dev/tcp/{address}/27017'"
    clients = (*platform.group("catalogue"), *platform.group("user"))
    needed = {*clients, platform.only("mongodb")}
    reached = platform.each(platform.names, lambda name: platform[name].run(connect).rc == 0)
    assert {name for name, ok in reached.items() if ok} == needed


def test_what_it_acknowledged_survives_its_end(store: MongoDb) -> None:
    """Killed right after a hundred writes, three times."""
    for number in range(3):
        write = (
            f"[db.test_writes.insert_one({{'_id': {number} * 100 + n}}) and n for n in range(100)]"
        )
        assert len(store.ask(write)) == 100
        store.run(f"systemctl kill --signal=KILL {store.unit}")
        store.wait_until_it_answers()
        assert store.ask("db.test_writes.count_documents({})") == 100 * (number + 1)
    store.ask("db.test_writes.delete_many({}).deleted_count")


def test_its_data_is_for_itself_alone(platform: Platform, store: MongoDb) -> None:
    """And it runs without root."""
    system = store.system
    folder = platform[store.host].file(system.documents_folder)
    assert (folder.user, folder.group) == (system.documents_user, system.documents_user)
    assert oct(folder.mode) == oct(system.documents_mode)
    shown = store.run(f"systemctl show {store.unit} --property=User --value")
    assert shown == system.documents_user


def test_its_exposure_is_low(store: MongoDb) -> None:
    """Systemd's own judge."""
    judged = store.run(f"systemd-analyze security --no-pager {store.unit} | tail --lines=1")
    score = float(re.findall(r"exposure level for \S+: (\d+\.\d+)", judged)[0])
    assert score <= store.system.documents_exposure


def test_it_starts_with_its_host_and_comes_back_whatever_ended_it(
    platform: Platform, store: MongoDb
) -> None:
    """However often: systemd does not give it up, and a file of the dead one is in nobody's way."""
    assert platform[store.host].service(store.unit).is_enabled
    shown = store.run(f"systemctl show {store.unit} --property=Restart,StartLimitIntervalUSec")
    assert sorted(shown.splitlines()) == ["Restart=always", "StartLimitIntervalUSec=0"]
    for _ in range(3):
        before = store.run(f"systemctl show {store.unit} --property=MainPID")
        store.run(f"systemctl kill --signal=KILL {store.unit}")
        wait_until(
            "it has another process",
            lambda before=before: (  # type: ignore[misc]
                store.run(f"systemctl show {store.unit} --property=MainPID")
                not in {before, "MainPID=0"}
            ),
        )
        store.wait_until_it_answers()


def test_another_engine_than_the_distribution_has_is_refused(store: MongoDb) -> None:
    """Before anything is changed."""
    if store.system.documents_have_accounts:
        pytest.skip("this distribution has the engine")
    said = ansible.failure(
        "data", f"--limit={store.host}", variables={"mongodb_engine": "mongodb-org"}
    )
    assert "is not to be had for Debian" in said
    assert store.run(f"systemctl is-active {store.unit}") == "active"
