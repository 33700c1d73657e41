"""The platform's own units, run once more beside the deployed ones.

The unit is the deployed one, with its hardening and settings; only broker, databases, ports and
journal are the benchmark's. The journal is a namespace of its own with the host's settings: the
platform's audit trail is neither mixed with the benchmark's lines nor pushed out by them.
"""

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.guest.clients import SOURCE
from benchmarks.job import Job

__all__ = ["NAMESPACE", "ORDER_PROCESSOR_URL", "PAYMENT_URL", "Unit", "journal", "running"]

NAMESPACE = "benchmark"
ORDER_PROCESSOR_PORT = 9191
PAYMENT_PORT = 8184
ORDER_PROCESSOR_URL = f"http://127.0.0.1:{ORDER_PROCESSOR_PORT}"
PAYMENT_URL = f"http://127.0.0.1:{PAYMENT_PORT}"

DEPLOYED = Path("/etc/systemd/system")
TRANSIENT = Path("/run/systemd/system")
JOURNALD_CONFIG = Path(f"/run/systemd/journald@{NAMESPACE}.conf")
READY_SECONDS = 30.0


class Unit:
    """One of the platform's services as a unit of the benchmark's."""

    def __init__(self, service: str, settings: Mapping[str, str], url: str) -> None:
        self.name = f"{service}-benchmark"
        self.url = url
        self._service = service
        self._settings = settings
        self._file = TRANSIENT / f"{self.name}.service"
        self._environment = Path(f"/run/{self.name}.env")

    def install(self) -> None:
        """Write the unit and its settings."""
        deployed = (DEPLOYED / f"{self._service}.service").read_text()
        lines = deployed.splitlines()
        # settings of files win over those in the unit, and those of the last file over the others:
        # the passwords that the benchmark has no own for are the deployed ones
        place = lines.index("[Install]")
        lines[place:place] = [f"EnvironmentFile={self._environment}", f"LogNamespace={NAMESPACE}"]
        self._environment.touch(mode=0o600)
        settings = "".join(f'{name}="{value}"\n' for name, value in self._settings.items())
        self._environment.write_text(settings)
        TRANSIENT.mkdir(exist_ok=True)
        self._file.write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        """Start, and return once the service is ready."""
        _systemctl("start", self.name)
        deadline = time.monotonic() + READY_SECONDS
        while not _answers(f"{self.url}/ready"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} is not ready:\n{journal('-u', self.name)[-1500:]}")
            time.sleep(0.1)

    def remove(self) -> None:
        """Stop and delete it."""
        subprocess.run(["systemctl", "stop", self.name], check=False, capture_output=True)
        self._file.unlink(missing_ok=True)
        self._environment.unlink(missing_ok=True)

    def property(self, name: str) -> str:
        """Return what systemd says about the unit."""
        return _systemctl("show", "--value", "--property", name, self.name).strip()


@contextmanager
def running(job: Job, *services: str) -> Iterator[dict[str, Unit]]:
    """Install units of these services, to be started; stop and delete them at the end."""
    units = {service: _unit(service, job) for service in services}
    settings = sorted(Path("/etc/systemd/journald.conf.d").glob("*.conf"))
    JOURNALD_CONFIG.write_text("\n".join(file.read_text() for file in settings))
    try:
        for unit in units.values():
            unit.install()
        _systemctl("daemon-reload")
        yield units
    finally:
        for unit in units.values():
            unit.remove()
        _systemctl("daemon-reload")
        remove_journal()


def journal(*arguments: str) -> str:
    """Return what journalctl prints about the benchmark's journal."""
    command = ["journalctl", f"--namespace={NAMESPACE}", "--quiet", "--no-pager", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def remove_journal() -> None:
    """End the benchmark's journal and delete its files."""
    names = ("systemd-journald@{}.socket", "systemd-journald-varlink@{}.socket")
    units = [name.format(NAMESPACE) for name in (*names, "systemd-journald@{}.service")]
    subprocess.run(["systemctl", "stop", *units], check=False, capture_output=True)
    JOURNALD_CONFIG.unlink(missing_ok=True)
    for folder in ("/var/log/journal", "/run/log/journal"):
        for path in Path(folder).glob(f"*.{NAMESPACE}"):
            subprocess.run(["rm", "-rf", str(path)], check=True)


def _unit(service: str, job: Job) -> Unit:
    settings = {
        "RABBITMQ_HOST": job.broker.host,
        "RABBITMQ_USER": job.broker.user,
        "RABBITMQ_PASS": job.broker.password,
        "RABBITMQ_VHOST": job.broker.vhost,
        "MYSQL_HOST": job.database.host,
        "MYSQL_USER": job.database.user,
        "MYSQL_PASS": job.database.password,
    }
    if SOURCE.is_dir():
        settings["PYTHONPATH"] = str(SOURCE)
    if service == "payment":
        settings |= {
            "MYSQL_DATABASE": "benchmark_payments",
            "MYSQL_ORDERS_DATABASE": "benchmark_orders",
            "HTTP_LISTEN": "127.0.0.1",
            "HTTP_PORT": str(PAYMENT_PORT),
        }
        return Unit(service, settings, PAYMENT_URL)
    settings |= {
        "MYSQL_DATABASE": "benchmark_orders",
        "OPS_LISTEN": "127.0.0.1",
        "OPS_PORT": str(ORDER_PROCESSOR_PORT),
        "EMAIL_BACKEND": "log",
        "WAREHOUSE_BACKEND": "log",
    }
    return Unit(service, settings, ORDER_PROCESSOR_URL)


def _systemctl(*arguments: str) -> str:
    result = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"systemctl {' '.join(arguments)}: {result.stderr.strip()}")
    return result.stdout


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as answer:  # noqa: S310 - our own service
            return bool(answer.status == 200)  # noqa: PLR2004 - OK
    except (URLError, OSError):
        return False
