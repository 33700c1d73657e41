"""The command `skillupworks`: where an operator would look for it, and for root only."""

import pytest

from tests.helpers.ansible import variable
from tests.helpers.hosts import Platform

SETTINGS = "/etc/skillupworks/skillupworks.env"


@pytest.fixture(scope="module", name="hosts")
def _hosts(platform: Platform) -> list[str]:
    """Return the hosts that have the command: the services', and the broker's."""
    groups = ("payment", "order_processor", "rabbitmq")
    return sorted({name for group in groups for name in platform.group(group)})


def test_the_command_is_the_one_of_the_release(platform: Platform, hosts: list[str]) -> None:
    """It goes back and forth with the release, and runs wherever it is."""
    versions = variable("app_release_version")
    for name in hosts:
        file = platform[name].file(_command(platform, name))
        assert file.linked_to == f"/opt/skillupworks/releases/{versions[name]}/bin/skillupworks"
        assert platform.run(name, "skillupworks --version").startswith("skillupworks, version ")


def test_no_other_host_has_it(platform: Platform, hosts: list[str]) -> None:
    """Neither the command nor the password."""
    for name in sorted({*platform.names} - {*hosts}):
        assert not platform[name].file(_command(platform, name)).exists
        assert not platform[name].file(SETTINGS).exists


def test_it_reaches_the_broker_from_each_host(platform: Platform, hosts: list[str]) -> None:
    """On the broker's own host over the loopback interface, which no firewall opens."""
    for name in hosts:
        platform.run(name, "skillupworks dlq list")
    (line,) = [
        line
        for line in platform.run(platform.only("rabbitmq"), f"cat {SETTINGS}").splitlines()
        if line.startswith("RABBITMQ_HOST")
    ]
    assert line == 'RABBITMQ_HOST="127.0.0.1"'


def test_only_root_can_use_it(platform: Platform, hosts: list[str]) -> None:
    """It works with the services' own account, and the file with that password is root's."""
    for name in hosts:
        file = platform[name].file(SETTINGS)
        assert (oct(file.mode), file.user, file.group) == ("0o600", "root", "root")
        answer = platform[name].run("runuser -u skillupworks -- skillupworks dlq list")
        assert answer.rc != 0
        assert f"only root may read {SETTINGS}" in answer.stderr


def _command(platform: Platform, name: str) -> str:
    return f"{platform.system(name).commands_folder}/skillupworks"
