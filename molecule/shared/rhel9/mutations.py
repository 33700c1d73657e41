"""Break what the roles say of RHEL 9, one place at a time, and see whether a command fails.

Usage: python -m rhel9.mutations [--role ROLE]... [--mend] [-- COMMAND...]

COMMAND is run for the files as they are, when it must succeed, and for each mutation of a
vars/RedHat.yml, when it must fail. In it, `{role}` is the role's name, `{playbook}` the playbook
that plays it and `{hosts}` the group of hosts that have it. By default it is the unit tests beside
this. With --mend it is run once more after each mutation, so that hosts become what they were:

    --mend -- ansible-playbook -i inventory/el9 playbooks/{playbook} --limit {hosts}

Prints a table. The files are restored whatever happens, as far as a process can promise that. Exit
status: 0 when every mutation was caught, 1 when one was missed, 2 when the command fails by itself.
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rhel9.paths import PROJECT, ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

TESTS = "molecule/shared/rhel9/tests"
# Not the test of this list itself, which misses what was replaced.
UNIT_TESTS = [
    *(sys.executable, "-m", "pytest", "-q", "-x", TESTS),
    f"--ignore={TESTS}/test_rhel9_mutations.py",
]


# Where a role is played, and on which hosts.
PLAYS = {
    "app_release": ("shop.yml", "payment"),
    "base": ("base.yml", "all"),
    "frontend": ("shop.yml", "frontend"),
    "mongodb": ("data.yml", "mongodb"),
    "mysql": ("data.yml", "mysql"),
    "operator_tools": ("shop.yml", "payment"),
    "rabbitmq": ("broker.yml", "rabbitmq"),
    "redis": ("data.yml", "redis"),
}


@dataclass(frozen=True)
class Mutation:
    """One mistake in one role's vars/RedHat.yml: what stands there, once, and what instead."""

    role: str
    what: str
    old: str
    new: str

    @property
    def path(self) -> Path:
        """Return the file."""
        return ROLES / self.role / "vars" / "RedHat.yml"

    def apply(self, text: str) -> str:
        """Return the text with the mistake. Raises ValueError where it cannot be made."""
        if text.count(self.old) != 1:
            raise ValueError(f"{self.path}: {text.count(self.old)} times {self.old!r}")
        return text.replace(self.old, self.new)


MUTATIONS = [
    Mutation("app_release", "package", '["python{{', '["python-{{'),
    Mutation("app_release", "path of a program", "/usr/bin/python", "/usr/local/bin/python"),
    Mutation(
        "app_release",
        "package of another version",
        '["python{{ app_release_python_version }}"]',
        "[python3.11]",
    ),
    Mutation("base", "package", "- python3-firewall\n", "- firewalld-python\n"),
    Mutation("base", "unit", "chronyd", "chrony"),
    Mutation("base", "path of a shell", "/sbin/nologin", "/bin/nologin"),
    Mutation("frontend", "module stream", "@nginx:{{ frontend_nginx_version }}", "@nginx:1.28"),
    Mutation("frontend", "user", "frontend__user: nginx", "frontend__user: www-data"),
    Mutation("frontend", "boolean", "httpd_can_network_connect", "httpd_can_network_relay"),
    Mutation("mongodb", "package", "mongodb-org-server", "mongodb-server"),
    Mutation("mongodb", "package", "shared-openssl3", "shared-openssl11"),
    Mutation("mongodb", "path of a repository", "/yum/redhat/9/", "/yum/redhat/$releasever/"),
    Mutation("mongodb", "key", ".0.asc", ".pub"),
    Mutation("mysql", "module stream without its profile", " ~ '/server'", ""),
    Mutation("mysql", "package", "python3-PyMySQL", "python3-pymysql"),
    Mutation("mysql", "unit", "mysql__service: mysqld", "mysql__service: mysql"),
    Mutation("mysql", "path of the settings", "/etc/my.cnf.d/", "/etc/mysql/conf.d/"),
    Mutation("mysql", "path of the socket", "/var/lib/mysql/mysql.sock", "/run/mysqld/mysqld.sock"),
    Mutation("mysql", "path of the server", "/usr/libexec/mysqld", "/usr/sbin/mysqld"),
    Mutation("operator_tools", "path", "/usr/bin", "/usr/local/bin"),
    Mutation("rabbitmq", "package without its version", "erlang-{{", "erlang{{"),
    Mutation("rabbitmq", "package", "rabbitmq-server-{{", "rabbitmq-broker-{{"),
    Mutation("rabbitmq", "path of a repository", "erlang/el/9/noarch", "erlang/el/8/noarch"),
    Mutation("rabbitmq", "address of the keys", "download/3.0", "download/2.0"),
    Mutation(
        "rabbitmq", "path of the settings", "path: /etc/rabbitmq,", "path: /etc/rabbitmq-server,"
    ),
    Mutation("rabbitmq", "port that SELinux knows", "port: 15692", "port: 15691"),
    Mutation("redis", "package", "{{ 'valkey' if", "{{ 'valkey-server' if"),
    Mutation("redis", "module stream", "@redis:7", "@redis:6"),
    Mutation("redis", "unit", 'redis__service: "{{', 'redis__service: "redis-{{'),
    Mutation("redis", "unit of the other one", 'service: "{{ redis_engine }}"', "service: redis"),
    Mutation("redis", "user of the other one", 'user: "{{ redis_engine }}"', "user: redis"),
    Mutation("redis", "path of the settings", "}}/{{ redis_engine }}.conf", "}}.conf"),
    Mutation("redis", "path of the data", "/var/lib/{{ redis_engine }}", "/srv/{{ redis_engine }}"),
    Mutation("redis", "what SELinux forbids in a unit", "- RemoveIPC=yes", "- NoNewPrivileges=yes"),
]


@contextmanager
def applied(mutation: Mutation) -> Iterator[None]:
    """Have the mistake in the file for the time of the block."""
    before = mutation.path.read_bytes()
    try:
        mutation.path.write_text(mutation.apply(before.decode()), encoding="utf-8")
        yield
    finally:
        mutation.path.write_bytes(before)


def succeeds(command: Sequence[str], role: str) -> bool:
    """Run the command for a role, quietly; say whether it succeeded."""
    playbook, hosts = PLAYS[role]
    names = {"{role}": role, "{playbook}": playbook, "{hosts}": hosts}
    run = subprocess.run(
        [re.sub(r"\{(?:role|playbook|hosts)\}", lambda m: names[m[0]], word) for word in command],
        cwd=PROJECT,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return run.returncode == 0


def first_failing(command: Sequence[str], chosen: Sequence[Mutation]) -> str | None:
    """Return the first role for which the command fails as the files are. Runs it once for each."""
    roles = sorted({mutation.role for mutation in chosen})
    if not any("{" in word for word in command):
        roles = roles[:1]  # it is the same for each of them
    return next((role for role in roles if not succeeds(command, role)), None)


def give_up(why: str) -> int:
    """Say why nothing can be said; return the exit status."""
    print(why, file=sys.stderr)
    return 2


def main(arguments: Sequence[str]) -> int:
    """Do what the module's documentation says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m rhel9.mutations")
    parser.add_argument("--role", action="append", help="only these roles; repeatable")
    parser.add_argument("--mend", action="store_true", help="run the command again afterwards")
    parser.add_argument("command", nargs="*")
    options = parser.parse_args(arguments)
    command = options.command or UNIT_TESTS
    chosen = [each for each in MUTATIONS if each.role in (options.role or [each.role])]
    if failing := first_failing(command, chosen):
        return give_up(f"Without any mutation the command fails for the role {failing}.")
    missed = 0
    print("| role | what | mutation | result | seconds |\n|---|---|---|---|---|")
    for mutation in chosen:
        started = time.monotonic()
        with applied(mutation):
            caught = not succeeds(command, mutation.role)
        missed += not caught
        if options.mend and not succeeds(command, mutation.role):
            return give_up(f"After the mutation {mutation} the command fails without it.")
        change = f"`{mutation.old.strip()}` → `{mutation.new.strip()}`"
        result = "caught" if caught else "**missed**"
        seconds = f"{time.monotonic() - started:.0f}"
        print(
            f"| {mutation.role} | {mutation.what} | {change} | {result} | {seconds} |", flush=True
        )
    print(f"\n{len(chosen) - missed} of {len(chosen)} mutations were caught.")
    return 1 if missed else 0


if __name__ == "__main__":
    # A termination, as an interruption, goes through `finally`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(sys.argv[1:]))
