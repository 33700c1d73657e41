"""Deploying again: what changed is applied and restarted, and nothing else is touched.

Every run of a playbook takes most of a minute, so each does several things that tests look at.
"""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.helpers import ansible
from tests.helpers.hosts import Platform
from tests.helpers.parts import Parts
from tests.helpers.services import Service, carts, users
from tests.helpers.waiting import wait_until

PASSWORDS = (
    "vault_rabbitmq_skillupworks_password",
    "vault_rabbitmq_admin_password",
    "vault_mysql_order_processor_password",
    "vault_mysql_payment_password",
    "vault_redis_admin_password",
    "vault_redis_cart_password",
    "vault_redis_payment_password",
    "vault_redis_user_password",
    "vault_gateway_webhook_secret",
)
PLAYBOOKS = ("data", "broker", "shop")
OTHER_PREFETCH = 3
# The release that is built, once more under another name; and some that are newer than the one
# in use, as after going back to an earlier one.
OTHER_VERSION = "9.9.9+test"
NEWER_VERSIONS = ("9.9.6", "9.9.7", "9.9.8")
RELEASES = "/opt/skillupworks/releases"
PAGES = "/srv/skillupworks/www"
# scripts of storefronts of long ago, the newest first
OLD_ASSETS = ("2222222222222222", "1111111111111111")


@pytest.fixture(scope="module", autouse=True)
def _inventorys_state_afterwards(parts: Parts) -> Iterator[None]:
    """Deploy what the inventory says, whatever the tests deployed."""
    yield
    ansible.playbooks(*PLAYBOOKS)
    parts.processors[-1].run(f"rm -rf {RELEASES}/9.9.*")
    web = parts.platform.group("frontend")[0]
    parts.platform.run(web, f"cd {PAGES}/assets && rm -rf {' '.join(OLD_ASSETS)}")
    parts.wait_until_ready()


@dataclass(frozen=True)
class Scaled:
    """A deployment that changed the order processor of one host."""

    changed: Service
    second: Service
    unchanged: list[Service]
    runs_before: dict[str, str]
    release_before: str
    assets_before: list[str]


@pytest.fixture(scope="module", name="scaled")
def _scaled(parts: Parts) -> Scaled:
    """Give one host another release, and two copies with another prefetch; and the pages anew."""
    changed = parts.processors[-1]
    release = changed.run("basename $(readlink /opt/skillupworks/current)")
    for version in NEWER_VERSIONS:
        changed.run(f"mkdir {RELEASES}/{version}; touch -d 2040-01-01 {RELEASES}/{version}")
    unchanged = [*parts.processors[:-1], parts.payment]
    # who is on the same host has its release, too
    unchanged = [service for service in unchanged if service.host != changed.host]
    runs = {str(service): service.invocation for service in (changed, *unchanged)}
    assets_before = _age_the_storefront(parts.platform)
    here = f"inventory_hostname == '{changed.host}'"
    ansible.playbooks(
        "shop",
        variables={
            "order_processor_replicas": f"{{{{ 2 if {here} else 1 }}}}",
            "order_processor_prefetch": f"{{{{ {OTHER_PREFETCH} if {here} else 200 }}}}",
            "app_release_version": f"{{{{ '{OTHER_VERSION}' if {here} else '{release}' }}}}",
        },
    )
    second = Service(parts.platform, changed.host, "order-processor-2")
    return Scaled(changed, second, unchanged, runs, release, assets_before)


def _age_the_storefront(platform: Platform) -> list[str]:
    """Leave a web host as if older storefronts had been there; return all but this one's assets.

    The newest is the first of them.
    """
    web = platform.group("frontend")[0]
    for age, name in enumerate(OLD_ASSETS, start=1):
        folder = f"{PAGES}/assets/{name}"
        platform.run(web, f"mkdir {folder}; touch -d '20 years ago -{age} days' {folder}")
    platform.run(web, f"truncate --size=0 {PAGES}/version.txt")
    current = _current_assets(platform, web)
    listed = platform.run(web, f"ls -t {PAGES}/assets").split()
    return [name for name in listed if name != current]


def _current_assets(platform: Platform, web: str) -> str:
    found = re.search(
        r"/assets/([0-9a-f]{16})/app\.js", platform.run(web, f"cat {PAGES}/index.html")
    )
    assert found
    return found[1]


def test_a_service_restarts_when_its_settings_change_and_not_otherwise(scaled: Scaled) -> None:
    """The one with another prefetch has a new run; the others go on as they were."""
    before = scaled.runs_before
    assert scaled.changed.invocation != before[str(scaled.changed)]
    for service in scaled.unchanged:
        assert service.invocation == before[str(service)], str(service)


def test_a_new_release_is_switched_to_and_three_are_kept(scaled: Scaled) -> None:
    """The one that was in use is among them, although others were installed after it."""
    service = scaled.changed
    assert service.run("readlink /opt/skillupworks/current") == f"releases/{OTHER_VERSION}"
    assert service.run(f"readlink /proc/{service.pid}/cwd") == f"{RELEASES}/{OTHER_VERSION}"
    kept = service.run(f"ls {RELEASES}").split()
    assert len(kept) == 3
    assert {OTHER_VERSION, scaled.release_before} <= set(kept)


def test_scripts_are_kept_for_the_pages_of_one_version_before(
    scaled: Scaled, platform: Platform
) -> None:
    """Whoever has such a page open can go on; what is older does not pile up."""
    web = platform.group("frontend")[0]
    kept = platform.run(web, f"ls {PAGES}/assets").split()
    assert set(kept) == {_current_assets(platform, web), scaled.assets_before[0]}


def test_a_second_consumer_on_one_host_shares_the_queue(scaled: Scaled, parts: Parts) -> None:
    """The guide's order-processor-2.service: both take orders, with the changed prefetch."""
    assert scaled.second.state == "active"
    assert scaled.second.ready()
    address = parts.platform.address(scaled.changed.host)

    def prefetches() -> list[int]:
        consumers = parts.broker.consumers()
        return [
            c["prefetch_count"] for c in consumers if c["channel_details"]["peer_host"] == address
        ]

    wait_until("both consume", lambda: prefetches() == [OTHER_PREFETCH] * 2)
    units: set[str] = set()

    def both() -> bool:
        order = parts.shop.buy("Linux")
        units.update(e["_SYSTEMD_UNIT"] for e in parts.journal.of_order(order["orderId"]))
        return {"order-processor.service", "order-processor-2.service"} <= units

    wait_until("both have processed an order", both)


def test_the_second_consumer_is_a_service_like_the_first(scaled: Scaled) -> None:
    """The same unit, apart from its name and the port that it is monitored on."""
    first, second = (
        set(scaled.changed.run(f"cat /etc/systemd/system/{unit}.service").splitlines())
        for unit in ("order-processor", "order-processor-2")
    )
    assert first - second == {"Environment=OPS_PORT=9101"}
    assert second - first == {"Environment=OPS_PORT=9102"}


@dataclass(frozen=True)
class Rotated:
    """A deployment with other passwords."""

    passwords: dict[str, str]
    output: str


@pytest.fixture(scope="module", name="rotated")
def _rotated(scaled: Scaled) -> Rotated:
    """Change the passwords; what else was deployed goes back to the inventory's state."""
    assert scaled
    passwords = {name: secrets.token_urlsafe(24) for name in PASSWORDS}
    return Rotated(passwords, ansible.output(*PLAYBOOKS, variables=passwords, verbosity=3))


def test_a_changed_password_is_applied_everywhere(rotated: Rotated, parts: Parts) -> None:
    """Orders go through with the new ones, and the old ones are refused."""
    for service in (*parts.processors, parts.payment):
        service.wait_until_ready()
    order = parts.shop.buy("Linux")
    assert parts.database.orders(order["orderId"]) == 1
    host = parts.platform.only("rabbitmq")
    for user in ("skillupworks", "admin"):
        name = f"vault_rabbitmq_{user}_password"
        for password, answer in (
            (rotated.passwords[name], "Success"),
            (parts.platform.secrets[name], "Error:"),
        ):
            check = f"rabbitmqctl authenticate_user {user} 2>&1"
            assert answer in parts.platform.feed(host, check, f"{password}\n").splitlines()


def test_a_changed_password_of_redis_is_applied_too(rotated: Rotated, platform: Platform) -> None:
    """Cart and user work with the new ones, and the old ones are refused."""
    for service in carts(platform) + users(platform):
        service.wait_until_ready()
    host = platform.only("redis")
    for user in ("admin", "cart", "payment", "user"):
        name = f"vault_redis_{user}_password"
        for password, answer in (
            (rotated.passwords[name], "OK"),
            (platform.secrets[name], "WRONGPASS"),
        ):
            said = platform.feed(host, platform.system(host).redis_cli, f"AUTH {user} {password}\n")
            assert said.split(maxsplit=1)[0] == answer


def test_what_ansible_prints_has_no_secret(rotated: Rotated, platform: Platform) -> None:
    """Neither an old nor a new password, with -vvv and while they are all being changed."""
    assert "TASK [mysql : Create the users]" in rotated.output
    assert '"invocation"' in rotated.output or "invocation:" in rotated.output
    for secret in (*platform.secrets.values(), *rotated.passwords.values()):
        assert secret not in rotated.output


def test_going_back_to_the_release_before_is_a_deployment_like_any_other(
    rotated: Rotated, scaled: Scaled
) -> None:
    """The next run said so: the earlier version runs again."""
    assert rotated
    release = f"{RELEASES}/{scaled.release_before}"
    assert scaled.changed.run(f"readlink /proc/{scaled.changed.pid}/cwd") == release


def test_an_archive_with_another_checksum_is_refused(rotated: Rotated, scaled: Scaled) -> None:
    """Nothing of it is installed, nothing of it stays, and what runs goes on."""
    assert rotated
    run = scaled.changed.invocation
    said = ansible.failure(
        *("shop", f"--limit={scaled.changed.host}"),
        variables={"app_release_version": "9.9.5+test", "app_release_sha256": "0" * 64},
    )
    assert f"not {'0' * 64} (app_release_sha256)" in said
    assert scaled.changed.run("find /opt/skillupworks -name '9.9.5*'") == ""
    assert scaled.changed.invocation == run


def test_the_second_consumer_is_gone_when_it_is_no_longer_wanted(
    rotated: Rotated, scaled: Scaled
) -> None:
    """The run after the one that made it: stopped, and its unit deleted."""
    assert rotated
    assert scaled.second.state == "inactive"
    assert scaled.second.run("ls /etc/systemd/system | grep order-processor-2 || true") == ""
    assert (
        scaled.second.run("ls -A /etc/systemd/system/multi-user.target.wants").count("order") == 1
    )
