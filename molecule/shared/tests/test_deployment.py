"""Deploying again: what changed is applied and restarted, and nothing else is touched.

Every run of a playbook takes most of a minute, so each does several things that tests look at.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.helpers import ansible
from tests.helpers.hosts import Platform
from tests.helpers.parts import Parts
from tests.helpers.services import Service
from tests.helpers.waiting import wait_until

PASSWORDS = (
    "vault_rabbitmq_skillupworks_password",
    "vault_rabbitmq_admin_password",
    "vault_mysql_order_processor_password",
    "vault_mysql_payment_password",
)
PLAYBOOKS = ("data", "broker", "shop")
OTHER_PREFETCH = 3


@pytest.fixture(scope="module", autouse=True)
def _inventorys_state_afterwards(parts: Parts) -> Iterator[None]:
    """Deploy what the inventory says, whatever the tests deployed."""
    yield
    ansible.playbooks(*PLAYBOOKS)
    parts.wait_until_ready()


@dataclass(frozen=True)
class Scaled:
    """A deployment that changed the order processor of one host."""

    changed: Service
    second: Service
    unchanged: list[Service]
    runs_before: dict[str, str]


@pytest.fixture(scope="module", name="scaled")
def _scaled(parts: Parts) -> Scaled:
    """Give one host a second copy, and both another prefetch."""
    changed = parts.processors[-1]
    unchanged = [*parts.processors[:-1], parts.payment]
    runs = {str(service): service.invocation for service in (changed, *unchanged)}
    here = f"inventory_hostname == '{changed.host}'"
    ansible.playbooks(
        "shop",
        variables={
            "order_processor_replicas": f"{{{{ 2 if {here} else 1 }}}}",
            "order_processor_prefetch": f"{{{{ {OTHER_PREFETCH} if {here} else 10 }}}}",
        },
    )
    second = Service(parts.platform, changed.host, "order-processor-2")
    return Scaled(changed, second, unchanged, runs)


def test_a_service_restarts_when_its_settings_change_and_not_otherwise(scaled: Scaled) -> None:
    """The one with another prefetch has a new run; the others go on as they were."""
    before = scaled.runs_before
    assert scaled.changed.invocation != before[str(scaled.changed)]
    for service in scaled.unchanged:
        assert service.invocation == before[str(service)], str(service)


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


def test_what_ansible_prints_has_no_secret(rotated: Rotated, platform: Platform) -> None:
    """Neither an old nor a new password, with -vvv and while they are all being changed."""
    assert "TASK [mysql : Create the users]" in rotated.output
    assert '"invocation"' in rotated.output or "invocation:" in rotated.output
    for secret in (*platform.secrets.values(), *rotated.passwords.values()):
        assert secret not in rotated.output


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
