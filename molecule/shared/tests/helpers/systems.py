"""What the platform's parts are called on each distribution: all that differs for the tests."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class System:
    """Units, accounts and paths of one distribution.

    `redis_exposure` and `documents_exposure` are the most that systemd-analyze may find of 10.
    """

    database_unit: str
    database_settings: str
    redis_unit: str
    redis_cli: str
    redis_user: str
    redis_folder: str
    redis_settings: str
    redis_exposure: float
    documents_unit: str
    documents_user: str
    documents_folder: str
    documents_mode: int
    documents_exposure: float
    documents_have_accounts: bool
    commands_folder: str
    crypto_policies: bool


DEBIAN = System(
    database_unit="mariadb",
    database_settings="/etc/mysql/mariadb.conf.d",
    redis_unit="redis-server",
    redis_cli="redis-cli",
    redis_user="redis",
    redis_folder="/etc/redis",
    redis_settings="/etc/redis/redis.conf",
    redis_exposure=1.5,
    documents_unit="nx-27017",
    documents_user="nx-27017",
    documents_folder="/var/lib/nx-27017",
    documents_mode=0o700,
    documents_exposure=1.5,
    documents_have_accounts=False,
    commands_folder="/usr/local/bin",
    crypto_policies=False,
)

# With servers of the unstable release, where the database is MySQL.
DEBIAN_UNSTABLE = replace(
    DEBIAN, database_unit="mysql", database_settings="/etc/mysql/mysql.conf.d"
)

# What SELinux does there for servers, systemd cannot without getting into its way.
RHEL = System(
    database_unit="mysqld",
    database_settings="/etc/my.cnf.d",
    redis_unit="valkey",
    redis_cli="valkey-cli",
    redis_user="valkey",
    redis_folder="/etc/valkey",
    redis_settings="/etc/valkey/valkey.conf",
    redis_exposure=7.0,
    documents_unit="mongod",
    documents_user="mongod",
    documents_folder="/var/lib/mongo",
    documents_mode=0o755,
    documents_exposure=7.0,
    documents_have_accounts=True,
    commands_folder="/usr/bin",
    crypto_policies=True,
)


def system_of(image: str) -> System:
    """Return the distribution of a lab's image."""
    if image == "debian-13-unstable":
        return DEBIAN_UNSTABLE
    return DEBIAN if image.startswith("debian-") else RHEL
