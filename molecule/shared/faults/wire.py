"""Statements that can be read on their way to the database, so that rules can tell them apart."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.helpers.parts import Parts

# for server and clients: the host's own client insists on what its server cannot do
SETTINGS = "{0.database_settings}/99-fault.cnf"
UNENCRYPTED = "[client-server]\\nskip-ssl\\n"


@contextmanager
def readable_statements(parts: Parts) -> Iterator[None]:
    """Let the database do without encryption, until the end; restarts it both times.

    Skips the test on MySQL itself, whose passwords then need what the services do not have.
    """
    if "MariaDB" not in parts.database.value("SELECT VERSION()"):
        pytest.skip("MySQL's passwords need encryption")
    settings = SETTINGS.format(parts.database.system)
    restart = f"systemctl restart {parts.database.unit}"
    parts.on_database(f"printf '{UNENCRYPTED}' > {settings}; {restart}")
    try:
        assert parts.database.value("SELECT @@have_ssl") == "DISABLED"
        parts.wait_until_ready()
        yield
    finally:
        restore_encryption(parts)


def restore_encryption(parts: Parts) -> None:
    """Let the database run as it is configured; nothing happens when it does."""
    settings = SETTINGS.format(parts.database.system)
    restart = f"systemctl restart {parts.database.unit}"
    parts.on_database(f"test ! -e {settings} || {{ rm {settings}; {restart}; }}")
