"""The tool finds the broker in the environment, or in the file that Ansible writes."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillupworks.errors import BrokerUnavailableError, ConfigurationError
from skillupworks.ops.connection import open_dead_letters, read_environment_file

# nothing listens on the discard port
FILE = """\
# Managed by Ansible
RABBITMQ_HOST="127.0.0.1"
RABBITMQ_PORT="9"
RABBITMQ_USER="skillupworks"
RABBITMQ_PASS="s3cret"
"""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo whatever is set for the broker, also by the test itself."""
    for name in ("HOST", "PORT", "USER", "PASS", "VHOST"):
        monkeypatch.setenv(f"RABBITMQ_{name}", "")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with settings."""
    path = tmp_path / "skillupworks.env"
    path.write_text(FILE)
    return path


def problem(file: Path) -> str:
    with pytest.raises((ConfigurationError, BrokerUnavailableError)) as caught:
        open_dead_letters("order-processing-dlq", file)
    return str(caught.value)


def test_the_file_is_read_when_the_environment_says_nothing(file: Path) -> None:
    said = "Unable to connect to RabbitMQ at 127.0.0.1: Connection refused"

    assert problem(file) == said


def test_the_environment_goes_first(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RABBITMQ_HOST", "127.0.0.2")

    assert "RabbitMQ at 127.0.0.2: " in problem(file)


def test_the_file_is_not_needed_when_the_environment_says_it_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for line in FILE.splitlines()[1:]:
        name, value = line.split("=")
        monkeypatch.setenv(name, value.strip('"'))

    assert "Connection refused" in problem(tmp_path / "none")


def test_a_missing_file_says_where_the_tool_runs(tmp_path: Path) -> None:
    said = problem(tmp_path / "none")

    assert said.startswith(f"there is no {tmp_path}/none on this host")
    assert "RABBITMQ_HOST, RABBITMQ_USER and RABBITMQ_PASS" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_file_for_root_only_says_so(file: Path) -> None:
    for folder in file.parents:
        if folder.stat().st_uid == 0 and str(folder).startswith("/tmp/"):  # noqa: S108
            folder.chmod(0o755)
    file.chmod(0o600)
    os.seteuid(65534)
    try:
        assert problem(file) == f"only root may read {file}: run this with sudo"
    finally:
        os.seteuid(0)


def test_wrong_settings_are_named(file: Path) -> None:
    file.write_text(FILE.replace('"9"', '"many"').replace('RABBITMQ_USER="skillupworks"\n', ""))

    said = problem(file)

    assert "RABBITMQ_USER: is required" in said
    assert "RABBITMQ_PORT: must be between 1 and 65535" in said


def test_a_line_that_is_no_setting_is_named_without_its_text(file: Path) -> None:
    file.write_text('A="1"\n\nRABBITMQ_PASS="s3cret" and more\n')

    said = problem(file)

    assert said == f'{file}: line 3 is not of the form NAME="value"'


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"])))
def test_a_value_is_read_as_ansible_writes_it(value: str) -> None:
    escaped = value
    for character in '\\"$`':
        escaped = escaped.replace(character, f"\\{character}")

    assert read_environment_file(f'A="1"\nNAME="{escaped}"\n') == {"A": "1", "NAME": value}


def test_what_a_person_writes_is_read_as_well() -> None:
    text = '; comment\n\n A=plain text \nB=\'single $x\'\nC=\nD=""\nE="a\\nb"\n'

    assert read_environment_file(text) == {
        "A": "plain text",
        "B": "single $x",
        "C": "",
        "D": "",
        "E": "a\\nb",
    }
