"""Check mode: on a deployed platform there is nothing to do."""

from tests.helpers import ansible
from tests.helpers.hosts import Platform


def test_check_mode_finds_nothing_to_change(platform: Platform) -> None:
    """The whole of site.yml, on every host: what the faults before it broke is whole again."""
    check = ansible.playbooks("site", "--check")
    assert check.changed == []
    assert check.hosts == set(platform.names)
