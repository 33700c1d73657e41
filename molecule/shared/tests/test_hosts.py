"""What every host has: its name, the services' account, a journal that stays, a firewall."""

import re

from tests.helpers.hosts import Platform


def test_a_host_has_its_name_and_finds_the_others_by_theirs(platform: Platform) -> None:
    """Names are the inventory's; everywhere they lead to the inventory's addresses."""
    addresses = {name: platform.address(name) for name in platform.names}

    def look(name: str) -> tuple[str, dict[str, str]]:
        hostname, *found = platform.run(
            name, f"hostname; getent hosts {' '.join(addresses)}"
        ).splitlines()
        return hostname, {line.split()[1]: line.split()[0] for line in found}

    for name, (hostname, found) in platform.each(platform.names, look).items():
        assert hostname == name
        assert found.items() >= addresses.items(), f"as {name} sees it"


def test_the_services_account_cannot_log_in(platform: Platform) -> None:
    """It has no shell, no home and no password."""
    for name in platform.group("order_processor") + platform.group("payment"):
        user = platform[name].user("skillupworks")
        assert user.shell.endswith("/nologin")
        assert user.home == "/nonexistent"
        assert user.password.startswith(("!", "*"))


def test_folders_for_logs_and_settings_belong_to_whom_they_should(platform: Platform) -> None:
    """The services may write logs, and only root may write settings."""
    look = "stat --format='%U:%G %a %n' /var/log/skillupworks /etc/skillupworks"
    expected = (
        "skillupworks:skillupworks 750 /var/log/skillupworks\nroot:root 755 /etc/skillupworks"
    )
    assert platform.run_on_all(look) == dict.fromkeys(platform.names, expected)


def test_the_journal_is_on_disk_and_bounded(platform: Platform) -> None:
    """Journald writes to /var/log/journal, and knows the limit that the role sets."""
    sizes = "journalctl --quiet --unit=systemd-journald --output=cat --grep='^System Journal'"
    for name, said in platform.run_on_all(sizes).items():
        limits = re.findall(
            r"^System Journal \(/var/log/journal/\w+\) is .*, max (\S+),", said, re.MULTILINE
        )
        assert limits[-1:] in (["1G"], ["1.0G"]), f"on {name}: {said}"


def test_firewalld_runs_and_would_start_with_the_rules_that_it_runs_with(
    platform: Platform,
) -> None:
    """The platform's zone is the default one, and no opening was made by hand."""
    compare = (
        "firewall-cmd --get-default-zone; firewall-cmd --list-all; echo; "
        "firewall-cmd --permanent --zone=skillupworks --list-all"
    )
    for name, output in platform.run_on_all(compare).items():
        firewall = platform[name].service("firewalld")
        assert firewall.is_running
        assert firewall.is_enabled
        default, _, rest = output.partition("\n")
        running, permanent = rest.split("\n\n")
        assert default == "skillupworks"
        assert _rules(running) == _rules(permanent)


def test_a_host_is_healthy(platform: Platform) -> None:
    """No unit has failed."""
    failed = platform.run_on_all("systemctl list-units --failed --plain --no-legend")
    assert failed == dict.fromkeys(platform.names, "")


def test_root_cannot_log_in_over_ssh_and_nobody_can_with_a_password(platform: Platform) -> None:
    """Sshd accepts keys only."""
    for name, settings in platform.run_on_all("/usr/sbin/sshd -T").items():
        assert "passwordauthentication no" in settings.splitlines(), name
        assert "permitrootlogin no" in settings.splitlines(), name


def _rules(listing: str) -> list[str]:
    """Return the lines of a zone's listing that are rules; firewalld lists them in any order."""
    return sorted(listing[listing.index("services:") :].splitlines())
