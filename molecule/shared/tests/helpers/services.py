"""The services of the platform as systemd sees them."""

import json
import shlex
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.helpers.hosts import Platform
from tests.helpers.waiting import wait_until

READY_PORT = {
    "catalogue": 8081,
    "user": 8082,
    "cart": 8083,
    "payment": 8084,
    "shipping": 8085,
    "order-processor": 9101,
    "order-processor-2": 9102,
}
PYTHON = "/opt/skillupworks/current/bin/python"


@dataclass(frozen=True)
class Service:
    """One unit on one host."""

    platform: Platform
    host: str
    unit: str

    def __str__(self) -> str:
        return f"{self.unit}@{self.host}"

    def show(self, *properties: str) -> dict[str, str]:
        """Return systemd's properties of the unit."""
        listing = self.run(f"systemctl show {self.unit} --property={','.join(properties)}")
        return dict(line.split("=", 1) for line in listing.splitlines())

    @property
    def invocation(self) -> str:
        """What systemd calls this run of the service: another one after every start."""
        return self.show("InvocationID")["InvocationID"]

    @property
    def state(self) -> str:
        """The unit's state, such as active, activating or failed."""
        return self.show("ActiveState")["ActiveState"]

    @property
    def pid(self) -> int:
        """The main process."""
        return int(self.show("MainPID")["MainPID"])

    def ready(self) -> bool:
        """Say whether the service itself says that it works."""
        return " 200 " in self.http("/ready").partition("\n")[0]

    def http(self, path: str) -> str:
        """Return the answer of the service's own port on its host; empty when nothing listens.

        Bash speaks it: a host has no HTTP client that every distribution has.
        """
        request = f"GET {path} HTTP/1.0\\r\\n\\r\\n"
        script = (
            f'exec 3<>/dev/tcp/127.0.0.1/{READY_PORT[self.unit]}; printf "{request}" >&3; cat <&3'
        )
        output: str = self.platform[self.host].run("bash -c %s", script).stdout
        return output

    def metrics(self) -> dict[str, float]:
        """Return the sum of each of its metrics over all labels, by the sample's name."""
        sums: dict[str, float] = defaultdict(float)
        for family in text_string_to_metric_families(
            self.http("/metrics").partition("\r\n\r\n")[2]
        ):
            for sample in family.samples:
                sums[sample.name] += sample.value
        return sums

    def wait_until_ready(self, seconds: float = 45) -> None:
        """Return when the service says that it works."""
        wait_until(f"{self} is ready", self.ready, seconds)

    def run(self, command: str) -> str:
        """Run a command on the service's host; it must succeed. Return its output."""
        return self.platform.run(self.host, command)

    def start(self) -> None:
        """Start it and wait until it works."""
        self.run(f"systemctl start {self.unit}")
        self.wait_until_ready()

    def restart(self) -> None:
        """Restart it and wait until it works."""
        self.run(f"systemctl restart {self.unit}")
        self.wait_until_ready()

    def stop(self) -> None:
        """Stop it; returns when it has ended."""
        self.run(f"systemctl stop {self.unit}")

    @contextmanager
    def changed(self, lines: str) -> Iterator[None]:
        """Add lines to the unit and restart it, which may fail; undo that at the end.

        Within another one, its lines come after those.
        """
        folder = f"/run/systemd/system/{self.unit}.service.d"
        file = f"{folder}/test-{time.time_ns()}.conf"
        self.run(
            f"mkdir -p {folder}; printf '[Service]\\n{lines}\\n' > {file};"
            f" systemctl daemon-reload; systemctl restart {self.unit} || true"
        )
        try:
            yield
        finally:
            self.run(
                f"rm {file}; rmdir --ignore-fail-on-non-empty {folder}; systemctl daemon-reload"
            )
            self.run(f"systemctl reset-failed {self.unit} || true")
            self.restart()

    def environment(self) -> str:
        """Return shell code that sets the service's variables, secrets included."""
        return (
            f"set -a; . /etc/skillupworks/{self.unit.removesuffix('-2')}.env; "
            f"export $(systemctl show {self.unit} --property=Environment --value);"
        )

    def python(self, script: str) -> Any:
        """Run Python with the service's release and settings; return the JSON that it prints."""
        return json.loads(self.run(f"{self.environment()} {PYTHON} -c {shlex.quote(script)}"))


def order_processors(platform: Platform) -> list[Service]:
    """Return the order processor of each host that has one."""
    return [
        Service(platform, host, "order-processor") for host in platform.group("order_processor")
    ]


def payments(platform: Platform) -> list[Service]:
    """Return the payment service of each host that has one."""
    return [Service(platform, host, "payment") for host in platform.group("payment")]


def carts(platform: Platform) -> list[Service]:
    """Return the cart service of each host that has one."""
    return [Service(platform, host, "cart") for host in platform.group("cart")]


def catalogues(platform: Platform) -> list[Service]:
    """Return the catalogue service of each host that has one."""
    return [Service(platform, host, "catalogue") for host in platform.group("catalogue")]


def shippings(platform: Platform) -> list[Service]:
    """Return the shipping service of each host that has one."""
    return [Service(platform, host, "shipping") for host in platform.group("shipping")]


def users(platform: Platform) -> list[Service]:
    """Return the user service of each host that has one."""
    return [Service(platform, host, "user") for host in platform.group("user")]
