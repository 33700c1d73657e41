"""Sets the stage on the lab's hosts, and clears it.

Almost everything is the benchmarks' own: two virtual hosts on the broker (one whose queues are
classic by default, one whose queues are quorum queues), two databases, one account on each, and a
folder on the application host. The platform's own queues, tables and journal are not touched.
Orders of a load are a guest's and reserve stock, for which the platform's own Redis and catalogue
are used.
"""

import hashlib
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.customer import begin_guest, deliver, take_back
from benchmarks.job import Broker, Database
from benchmarks.remote import Hosts, Remote

__all__ = ["FOLDER", "QUEUE_TYPES", "RELEASE", "Stage", "prepared"]

HERE = Path(__file__).resolve().parent
FOLDER = "/opt/skillupworks-benchmark"
USER = "benchmark"
QUEUE_TYPES = ("classic", "quorum")
DATABASES = {"order-processor": "benchmark_orders", "payment": "benchmark_payments"}
RELEASE = "/opt/skillupworks/current"
DEFINITIONS = "/run/benchmark-definitions.json"


@dataclass(frozen=True)
class Stage:
    """Where the clients find broker and databases."""

    hosts: Hosts
    password: str
    # the token of the guest who orders
    session: str

    def broker(self, queue_type: str) -> Broker:
        """Return the virtual host whose queues are of a type."""
        return Broker(self.hosts.broker.address, USER, self.password, f"benchmark-{queue_type}")

    def database(self, service: str) -> Database:
        """Return the database that a service's schema was made in."""
        return Database(self.hosts.data.address, USER, self.password, DATABASES[service])

    def python_path(self) -> str:
        """Return the variable that puts a copied working tree before the release."""
        return f"PYTHONPATH={FOLDER}/src"


@contextmanager
def prepared(hosts: Hosts, *, source: bool) -> Iterator[Stage]:
    """Set the stage, and clear it whatever happens.

    With `source`, the working tree's code runs in place of the deployed release's.
    """
    stage = Stage(hosts, secrets.token_hex(16), begin_guest(hosts))
    _clear(hosts)
    try:
        deliver(hosts)
        _copy_programs(hosts.app, source=source)
        _make_virtual_hosts(stage)
        _make_databases(stage)
        yield stage
    finally:
        _clear(hosts)
        take_back(hosts)


def _copy_programs(app: Remote, *, source: bool) -> None:
    app.run(f"sudo install -d -o $(id -u) -g $(id -g) {FOLDER}")
    app.copy_folder(HERE, f"{FOLDER}/benchmarks", ".venv", "__pycache__", "results")
    app.run(f"sudo rm -rf {FOLDER}/src")
    if source:
        app.copy_folder(HERE.parent / "src", f"{FOLDER}/src", "__pycache__")
    lock = hashlib.sha256((HERE / "requirements.txt").read_bytes()).hexdigest()
    if app.run(f"cat {FOLDER}/peers.lock 2>/dev/null || true").strip() != lock:
        app.copy_folder(_peers_for(app), f"{FOLDER}/peers")
        app.run(f"echo {lock} >{FOLDER}/peers.lock")


def _peers_for(app: Remote) -> Path:
    """Return a folder with the peers, installed for the host's Python from the lock file."""
    version = app.run("python3 -c 'import sys; print(*sys.version_info[:2], sep=\".\")'").strip()
    folder = HERE / ".venv" / f"peers-{version}"
    shutil.rmtree(folder, ignore_errors=True)
    command = ["uv", "pip", "install", "--quiet", "--no-config", "--target", str(folder)]
    command += ["--python-version", version, "--python-platform", "x86_64-manylinux_2_34"]
    command += ["--only-binary", ":all:", "--require-hashes", "-r", str(HERE / "requirements.txt")]
    subprocess.run(command, check=True, env=os.environ | {"UV_SYSTEM_CERTS": "1"})
    return folder


def _make_virtual_hosts(stage: Stage) -> None:
    """Import both at once, with the policies that the platform's own queues have."""
    names = [f"benchmark-{kind}" for kind in QUEUE_TYPES]
    broker = stage.hosts.broker
    platform = json.loads(broker.run("sudo rabbitmqctl export_definitions - --quiet"))
    permissions = {"user": USER, "configure": ".*", "write": ".*", "read": ".*"}
    definitions = {
        "vhosts": [
            {"name": name, "metadata": {"default_queue_type": kind}, "default_queue_type": kind}
            for name, kind in zip(names, QUEUE_TYPES, strict=True)
        ],
        "users": [{"name": USER, "password": stage.password, "tags": []}],
        "permissions": [permissions | {"vhost": name} for name in names],
        "policies": [policy | {"vhost": names[-1]} for policy in platform["policies"]],
    }
    # through a file: without one it waits for ever
    broker.run(
        f"sudo install -m 0640 -g rabbitmq /dev/stdin {DEFINITIONS}"
        f" && sudo rabbitmqctl import_definitions {DEFINITIONS} --quiet; status=$?;"
        f" sudo rm -f {DEFINITIONS}; exit $status",
        json.dumps(definitions),
    )


def _make_databases(stage: Stage) -> None:
    app = stage.hosts.app
    account = f"'{USER}'@'{app.address}'"
    statements = [f"CREATE USER {account} IDENTIFIED BY '{stage.password}';"]
    for database in DATABASES.values():
        statements += [f"CREATE DATABASE {database}; GRANT ALL ON {database}.* TO {account};"]
    stage.hosts.data.run("sudo mariadb", "\n".join(statements))
    for service, database in DATABASES.items():
        # the password on standard input: a command line is for everybody to read
        environment = "".join(
            f"{line}\n"
            for line in (
                f"MYSQL_HOST={stage.hosts.data.address}",
                f"MYSQL_USER={USER}",
                f"MYSQL_PASS={stage.password}",
                f"MYSQL_DATABASE={database}",
                stage.python_path(),
            )
        )
        app.run(
            f'while read -r line; do export "$line"; done; {RELEASE}/bin/{service} --migrate',
            environment,
        )


def _clear(hosts: Hosts) -> None:
    """Delete what a run leaves; nothing happens to what is not there."""
    vhosts = " ".join(f"benchmark-{kind}" for kind in QUEUE_TYPES)
    hosts.broker.run(
        "there=$(sudo rabbitmqctl list_vhosts name --quiet --no-table-headers);"
        f" for name in {vhosts}; do"
        ' if grep -qx "$name" <<<"$there"; then sudo rabbitmqctl delete_vhost -q "$name"; fi; done;'
        f" if sudo rabbitmqctl list_users --quiet | grep -q '^{USER}[[:space:]]';"
        f" then sudo rabbitmqctl delete_user -q {USER}; fi"
    )
    databases = " ".join(f"DROP DATABASE IF EXISTS {name};" for name in DATABASES.values())
    account = f"'{USER}'@'{hosts.app.address}'"
    hosts.data.run("sudo mariadb", f"{databases} DROP USER IF EXISTS {account};")
