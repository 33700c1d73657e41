"""What differs between hosts with RHEL 9: FIPS, crypto policies, minor releases, mirrors."""

import configparser
import re
from pathlib import Path

import pytest
import yaml

from rhel9.claims import CHOICES, claims_of_role, roles, supports, variables, ways
from rhel9.paths import PROJECT, ROLES
from rhel9.table import read_table
from rhel9.templates import rendered

# What runs on hosts, or decides what does.
ON_HOSTS = [
    path
    for pattern in ("roles/**/*", "playbooks/**/*.yml", "apps/src/**/*.py")
    for path in sorted(PROJECT.glob(pattern))
    if path.suffix in (".yml", ".j2", ".py")
]
# Roles that add a vendor's repository, and the variable with a mirror of it.
MIRRORS = {"mongodb": "mongodb_mirror", "rabbitmq": "rabbitmq_mirror"}
# Some settings that units of systemd 252, RHEL 9's, do not know: from the notes of 253 to 257.
NEWER = re.compile(
    r"^(?:BindLogSockets|CoredumpReceive|DelegateSubgroup|ExtraFileDescriptors|ImportCredential"
    r"|LiveMountResult|ManagedOOMMemoryPressureDurationSec|MemoryKSM|MemoryZSwapWriteback|OpenFile"
    r"|PrivatePIDs|RestartMaxDelaySec|RestartMode|RestartSteps|RootEphemeral"
    r"|SurviveFinalKillSignal)=",
    flags=re.MULTILINE,
)


def lines(pattern: str) -> list[str]:
    """Return where what runs on hosts, without comments, has what the pattern describes."""
    return [
        f"{path.relative_to(PROJECT)}: {line.strip()}"
        for path in ON_HOSTS
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(pattern, line.partition("# ")[0], flags=re.IGNORECASE)
    ]


def test_no_digest_that_fips_forbids() -> None:
    """Given a host in FIPS mode, nothing of the platform asks it for MD5 or SHA-1."""
    assert lines(r"\bmd5|\bsha1\b|sha-1\b|mysql_native_password") == []


def test_documents_are_opened_with_an_algorithm_that_fips_allows() -> None:
    """Given MongoDB, who logs in names the algorithm: the driver's other one needs MD5."""
    opened = [path for path in ON_HOSTS if "MongoClient(" in path.read_text(encoding="utf-8")]
    assert opened
    for path in opened:
        text = path.read_text(encoding="utf-8")
        assert text.count("MongoClient(") == text.count("authMechanism"), path
        assert "SCRAM-SHA-256" in text


def test_tls_is_as_the_crypto_policy_says() -> None:
    """Given TLS, no version below 1.2 is allowed, and ciphers are those of the host's policy."""
    text = rendered("frontend", "nginx.conf.j2", frontend_tls="files", frontend_upstreams={})
    assert re.findall(r"ssl_protocols (.*);", text) == ["TLSv1.2 TLSv1.3"]
    assert re.findall(r"ssl_ciphers (.*);", text) == ["PROFILE=SYSTEM"]


def test_the_crypto_policy_stays_as_it_is() -> None:
    """Given the roles, none changes the host's policy or skips the check of a signature."""
    assert (
        lines(r"update-crypto-policies|gpgcheck: (false|no)|disable_gpg_check|validate_certs: ")
        == []
    )


def test_subscriptions_are_not_spoken_of() -> None:
    """Given the roles, none needs, calls or changes subscription-manager."""
    assert lines(r"subscription|rhsm|redhat_") == []


def test_a_minor_release_does_not_get_into_addresses() -> None:
    """Given a host that is held at 9.4, no address has its release in it."""
    assert lines(r"\$releasever|distribution_version\b.*https?:") == []


@pytest.mark.parametrize("role", sorted(MIRRORS))
def test_every_address_is_below_the_mirror(role: str) -> None:
    """Given a mirror, a role's addresses are below it, the vendor's host being a folder."""
    mirror = "https://mirror.example/el9"
    plain = yaml.safe_dump(variables(role))
    mirrored = yaml.safe_dump(variables(role, {MIRRORS[role]: mirror}))
    addresses = re.findall(r"https://\S+", plain)
    assert addresses
    for address in addresses:
        assert f"{mirror}/{address.removeprefix('https://')}" in mirrored
    assert [
        each for each in re.findall(r"https?://\S+", mirrored) if not each.startswith(mirror)
    ] == []


def test_only_roles_with_a_mirror_name_addresses() -> None:
    """Given the other roles, nothing on a host is fetched but what the inventory names."""
    found = lines(r"https?://(?!127\.0\.0\.1|\{\{|\$host|\$shop_name|\(\?|')")
    own = tuple(f"roles/{role}/" for role in MIRRORS)
    assert [line for line in found if line.startswith("roles/") and not line.startswith(own)] == []


def test_the_repositories_of_a_role_are_mirrored_by_the_same_variable() -> None:
    """Given the repositories that tasks add, their addresses are built with the mirror."""
    text = (ROLES / "rabbitmq/tasks/repository.yml").read_text(encoding="utf-8")
    assert "https://" not in text
    assert "rabbitmq_mirror or 'https:/'" in text


@pytest.mark.parametrize(("role", "chosen"), ways(), ids=lambda each: str(each) if each else "")
def test_a_role_says_which_minor_release_it_needs(role: str, chosen: dict[str, str]) -> None:
    """Given a product or series newer than RHEL 9.4, the role has the release of the table."""
    facts = [fact for part in read_table().parts for fact in part.facts if fact.since]
    needed = [
        fact.since
        for claim in claims_of_role(role, chosen)
        for fact in facts
        if supports(fact, claim) and fact.since > "9.4"
    ]
    if needed:
        assert variables(role, chosen)[f"{role}__since"] == max(needed)
        assert "tasks_from: since" in (ROLES / role / "tasks/main.yml").read_text(encoding="utf-8")


def test_a_host_that_is_held_at_9_4_can_have_everything() -> None:
    """Given RHEL 9.4, no role needs anything newer, or there is a choice that does not."""
    for role in roles():
        needs = [
            variables(role, chosen).get(f"{role}__since", "9.0")
            for chosen in ({}, *CHOICES.get(role, ()))
        ]
        assert min(needs) <= "9.4", role


def test_an_older_nginx_understands_the_settings() -> None:
    """Given nginx 1.24, HTTP/2 is a word of `listen`, as it was before 1.25.1."""
    older = variables("frontend", {"frontend_nginx_version": "1.24"})
    values = older | {"frontend_tls": "files", "frontend_upstreams": {}}
    text = rendered("frontend", "nginx.conf.j2", **values)
    assert "listen 443 ssl http2 default_server;" in text
    assert "http2 on;" not in text


@pytest.mark.parametrize(
    "path",
    sorted(ROLES.glob("*/templates/*")),
    ids=lambda path: f"{path.parents[1].name}-{path.name}",
)
def test_units_have_no_setting_newer_than_systemd_252(path: Path) -> None:
    """Given a unit, or a part of one, RHEL 9's systemd knows every setting in it."""
    text = path.read_text(encoding="utf-8")
    assert NEWER.findall(text) == []


def test_modules_run_with_the_python_of_the_platform() -> None:
    """Given a newer Python beside the platform's, Ansible stays with that one."""
    settings = configparser.ConfigParser()
    settings.read(PROJECT / "ansible.cfg")
    assert settings["defaults"]["interpreter_python"] == "/usr/bin/python3"
