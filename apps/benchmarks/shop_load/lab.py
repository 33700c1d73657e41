"""The lab under load: where the shop is, how it is made ready, and what its units weigh."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.shop_load.mix import ShopError

__all__ = ["Lab"]

PROJECT = Path(__file__).resolve().parents[3]
# Ansible's commands are the project's, not this environment's
BIN = PROJECT / ".venv" / "bin"
CATALOGUE = PROJECT / "files" / "catalogue"
# the catalogue's own bound
STOCK = 1_000_000
# all visits come from one address; a person would not come so often
READY = {"frontend_rate": 100_000, "frontend_burst": 100_000}
UNITS = (
    "cart", "catalogue", "mariadb", "mongod", "mysqld", "nginx", "nx-27017", "order-processor",
    "order-processor-2", "payment", "rabbitmq-server", "redis-server", "shipping", "user", "valkey",
)  # fmt: skip


class Lab:
    """The hosts of an inventory of the lab."""

    def __init__(self, inventory: str) -> None:
        listing = json.loads(self._run("ansible-inventory", "-i", inventory, "--list"))
        self._inventory = inventory
        self._hosts: dict[str, dict[str, Any]] = listing["_meta"]["hostvars"]
        name = next(iter(self._hosts.values()))["lab_name"]
        self._ssh = Path("/var/lib/skillupworks-lab") / name / "ssh_config"
        if not self._ssh.exists():
            raise ShopError("the lab does not run: `make demo` boots and deploys it")
        web = listing["frontend"]["hosts"][0]
        self.url = f"http://{self._hosts[web]['ansible_host']}"

    def prepare(self) -> None:
        """Deliver enough to sell, and let one address ask as often as it likes.

        `make deploy` takes both back.
        """
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(CATALOGUE, folder, dirs_exist_ok=True)
            file = Path(folder) / "products.json"
            products = json.loads(file.read_text(encoding="utf-8"))
            for product in products:
                product["stock"] = STOCK
            file.write_text(json.dumps(products), encoding="utf-8")
            settings = READY | {"catalogue_files": folder}
            self._run(
                *("ansible-playbook", "-i", self._inventory, "playbooks/shop.yml"),
                *("--limit", "catalogue:frontend", "-e", json.dumps(settings)),
            )

    def memory(self) -> dict[str, int]:
        """Return the resident memory of every unit in KiB, by `unit@host`."""
        with ThreadPoolExecutor(len(self._hosts)) as pool:
            found = pool.map(self._memory_of, self._hosts)
        return dict(sorted(entry for host in found for entry in host.items()))

    def _memory_of(self, host: str) -> dict[str, int]:
        words = ("ssh", "-F", str(self._ssh), "-o", "BatchMode=yes", host, "ps -eo rss=,unit=")
        listing = subprocess.run(words, capture_output=True, check=True, text=True).stdout
        weights: Counter[str] = Counter()
        for line in listing.splitlines():
            size, _, unit = line.strip().partition(" ")
            name = unit.strip().removesuffix(".service")
            if name in UNITS:
                weights[f"{name}@{host}"] += int(size)
        return dict(weights)

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
