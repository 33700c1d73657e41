"""Statements that can be read on their way to the database, so that rules can tell them apart."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.helpers.parts import Parts

# for server and clients: the host's own client insists on what its server cannot do
SETTINGS = "/etc/mysql/mariadb.conf.d/99-fault.cnf"
UNENCRYPTED = "[client-server]\\nskip-ssl\\n"


@contextmanager
def readable_statements(parts: Parts) -> Iterator[None]:
    """Let the database do without encryption, until the end; restarts it both times."""
    parts.on_database(f"printf '{UNENCRYPTED}' > {SETTINGS}; systemctl restart mariadb")
    try:
        assert parts.database.value("SELECT @@have_ssl") == "DISABLED"
        parts.wait_until_ready()
        yield
    finally:
        restore_encryption(parts)


def restore_encryption(parts: Parts) -> None:
    """Let the database run as it is configured; nothing happens when it does."""
    parts.on_database(f"test ! -e {SETTINGS} || {{ rm {SETTINGS}; systemctl restart mariadb; }}")
