"""Check mode: on a deployed platform there is nothing to do."""

from tests.helpers import ansible
from tests.helpers.hosts import Platform

# as in ansible.cfg, but for Mitogen: who cannot use it, or does not want to, gets the same hosts
WITHOUT_MITOGEN = {"ANSIBLE_STRATEGY": "linear", "ANSIBLE_DEPRECATION_WARNINGS": "true"}


def test_check_mode_finds_nothing_to_change(platform: Platform) -> None:
    """The whole of site.yml, on every host: what the faults before it broke is whole again."""
    check = ansible.playbooks("site", "--check", env=WITHOUT_MITOGEN)
    assert check.changed == []
    assert check.hosts == set(platform.names)
    assert "DEPRECATION" not in check.messages
