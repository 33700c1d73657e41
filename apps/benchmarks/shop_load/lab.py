"""The lab under load: where the shop is, how it is made ready, and what its units weigh."""

import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import stock
from benchmarks.shop_load.memory import Unit
from benchmarks.shop_load.mix import ShopError

__all__ = ["Lab"]

PROJECT = Path(__file__).resolve().parents[3]
# Ansible's commands are the project's, not this environment's
BIN = PROJECT / ".venv" / "bin"
# the catalogue's own bound
STOCK = 1_000_000
# all visits come from one address; a person would not come so often
READY = {"frontend_rate": 100_000, "frontend_burst": 100_000}
UNITS = (
    "cart", "catalogue", "mariadb", "mongod", "mysqld", "nginx", "nx-27017", "order-processor",
    "order-processor-2", "payment", "rabbitmq-server", "redis-server", "shipping", "user", "valkey",
)  # fmt: skip
LOOK = (
    "ps -eo rss=,unit=; echo --; systemctl show --property=Id,InvocationID"
    f" {' '.join(f'{unit}.service' for unit in UNITS)}"
)
LOOK_SECONDS = 30


class Lab:
    """The hosts of an inventory of the lab."""

    def __init__(self, inventory: str) -> None:
        listing = json.loads(self._run("ansible-inventory", "-i", inventory, "--list"))
        self._inventory = inventory
        self._hosts: dict[str, dict[str, Any]] = listing["_meta"]["hostvars"]
        self._catalogue: str = listing["catalogue"]["hosts"][0]
        name = next(iter(self._hosts.values()))["lab_name"]
        self._ssh = Path("/var/lib/skillupworks-lab") / name / "ssh_config"
        if not self._ssh.exists():
            raise ShopError("the lab does not run: `make demo` boots and deploys it")
        web = listing["frontend"]["hosts"][0]
        self.url = f"http://{self._hosts[web]['ansible_host']}"

    def prepare(self) -> None:
        """Let there be enough to sell, and let one address ask as often as it likes.

        `put_back` takes both back, also after a run that was killed.
        """
        self._play_frontend(READY)
        self._put_stock(dict.fromkeys(stock.shipped(), STOCK))

    def put_back(self) -> None:
        """Let there be as much stock as the project's files deliver, and limits as deployed."""
        self._put_stock(stock.shipped())
        self._play_frontend({})

    def _play_frontend(self, settings: dict[str, int]) -> None:
        self._run(
            *("ansible-playbook", "-i", self._inventory, "playbooks/shop.yml"),
            *("--limit", "frontend", "-e", json.dumps(settings)),
        )

    def _put_stock(self, numbers: dict[str, int]) -> None:
        words = ("ssh", "-F", str(self._ssh), "-o", "BatchMode=yes", self._catalogue)
        run = subprocess.run(
            [*words, stock.command(numbers)],
            input=stock.PROGRAM,
            capture_output=True,
            check=False,
            text=True,
        )
        if run.returncode != 0:
            raise ShopError(f"the catalogue's stock cannot be written:\n{run.stderr[-1500:]}")

    def memory(self) -> dict[str, Unit]:
        """Return every unit that runs, by `unit@host`; OSError or SubprocessError."""
        with ThreadPoolExecutor(len(self._hosts)) as pool:
            found = pool.map(self._memory_of, self._hosts)
        return dict(sorted(entry for host in found for entry in host.items()))

    def _memory_of(self, host: str) -> dict[str, Unit]:
        words = ("ssh", "-F", str(self._ssh), "-o", "BatchMode=yes", host, LOOK)
        run = subprocess.run(
            words, capture_output=True, check=True, text=True, timeout=LOOK_SECONDS
        )
        listing, _, runs = run.stdout.partition("\n--\n")
        weights: Counter[str] = Counter()
        for line in listing.splitlines():
            size, _, unit = line.strip().partition(" ")
            weights[unit.strip().removesuffix(".service")] += int(size)
        invocations = {}
        for block in runs.split("\n\n"):
            fields = dict(line.split("=", 1) for line in block.split())
            invocations[fields.get("Id", "").removesuffix(".service")] = fields.get(
                "InvocationID", ""
            )
        return {
            f"{name}@{host}": Unit(weights[name], invocations.get(name, ""))
            for name in UNITS
            if name in weights
        }

    @staticmethod
    def _run(program: str, *arguments: str) -> str:
        run = subprocess.run(
            [BIN / program, *arguments], cwd=PROJECT, capture_output=True, check=False, text=True
        )
        if run.returncode != 0:
            end = "\n".join((run.stdout + run.stderr).splitlines()[-20:])
            raise ShopError(f"{program} failed:\n{end}")
        sys.stderr.write(run.stderr)
        return run.stdout
