"""Describes what the figures were measured on: a figure without it means little."""

import os
import platform
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import monotonic, strftime

from benchmarks.remote import Hosts
from benchmarks.stage import FOLDER, RELEASE

__all__ = ["describe"]

PEERS = ("pika", "celery", "dramatiq", "faststream", "aio-pika", "pymysql")
FSYNCS = 100

VERSIONS = (
    "from importlib.metadata import version; import sys;"
    " print(sys.version.split()[0], *(version(name) for name in sys.argv[1:]))"
)


def describe(hosts: Hosts) -> dict[str, str]:
    """Return lines about the machine, the hosts and the versions, by what they are about."""
    peers = _versions(hosts, f"env PYTHONPATH={FOLDER}/peers python3", PEERS)
    ours = _versions(hosts, f"{RELEASE}/bin/python", ("skillupworks", "pika", "pymysql"))
    deployed = hosts.app.run(f"basename $(readlink {RELEASE})").strip()
    return {
        "date": strftime("%Y-%m-%d"),
        "machine": f"{_cpu()}, {os.cpu_count()} cores, {_memory_gb()} GB,"
        f" Linux {platform.release().split('-')[0]}; fsync {_fsync_ms():.1f} ms",
        "lab": "broker, database and clients are systemd-nspawn guests on this one machine"
        f" ({_system(hosts)})",
        "broker": _broker(hosts),
        "database": hosts.data.run("sudo mariadb -Ne 'SELECT VERSION()'").strip(),
        "peers": peers,
        "ours": f"release {deployed}, {ours}",
    }


def _versions(hosts: Hosts, python: str, names: Sequence[str]) -> str:
    arguments = " ".join(names)
    found = hosts.app.run(f"{python} -c '{VERSIONS}' {arguments}").split()
    return ", ".join(
        f"{name} {version}" for name, version in zip(("Python", *names), found, strict=True)
    )


def _broker(hosts: Hosts) -> str:
    versions = 'io:format("~s ~s", [rabbit_misc:version(), rabbit_misc:otp_release()]).'
    rabbitmq, erlang, *_ = hosts.broker.run(f"sudo rabbitmqctl eval '{versions}'").split()
    return f"RabbitMQ {rabbitmq}, Erlang {erlang.removesuffix('ok')}"


def _system(hosts: Hosts) -> str:
    return hosts.app.run(". /etc/os-release && echo $PRETTY_NAME").strip()


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gb() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _fsync_ms() -> float:
    """Return the median time of writing a page to the disk that the guests are on."""
    seconds = []
    with tempfile.TemporaryFile(dir="/var/lib/skillupworks-lab") as file:
        for _ in range(FSYNCS):
            file.write(b"\0" * 4096)
            file.flush()
            began = monotonic()
            os.fsync(file.fileno())
            seconds.append(monotonic() - began)
    return median(seconds) * 1000
