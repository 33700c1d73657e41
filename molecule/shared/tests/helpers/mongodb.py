"""The document store as an administrator uses it: scripts on its own host, in the role's Python."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.helpers.hosts import Platform
from tests.helpers.waiting import wait_until

PYTHON = "sh -c 'exec /opt/mongodb-tools/*/venv/bin/python -'"

CONNECT = """
import json
from pymongo import MongoClient
client = MongoClient("127.0.0.1", 27017, directConnection=True, retryWrites=False,
                     w="majority", journal=True, serverSelectionTimeoutMS=2000, **{login!r})
db = client.catalogue
"""


class MongoDb:
    """The server, as its administrator where it has accounts."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.host = platform.only("mongodb")
        self.system = platform.system(self.host)
        self.unit = self.system.documents_unit
        login = {"username": "admin", "password": platform.secrets["vault_mongodb_admin_password"]}
        self._connect = CONNECT.format(login=login if self.system.documents_have_accounts else {})

    def ask(self, expression: str) -> Any:
        """Return the value of a Python expression about `db`, the catalogue's database."""
        script = f"{self._connect}print(json.dumps({expression}))\n"
        answer = self._platform.feed(self.host, PYTHON, script)
        assert answer, f"no answer to {expression}"
        return json.loads(answer)

    def stock(self, sku: str) -> int:
        """Return how many of a product can be reserved."""
        return int(self.ask(f"db.products.find_one({{'_id': {sku!r}}})['stock']"))

    def holds(self, sku: str) -> int:
        """Return how many reservations hold some of a product."""
        return int(self.ask(f"len(db.products.find_one({{'_id': {sku!r}}})['holds'])"))

    def stocks(self) -> dict[str, tuple[int, int]]:
        """Return of each product how many were ever delivered, and how many can be reserved."""
        look = "{p['_id']: [p['delivered'], p['stock']] for p in db.products.find({})}"
        return {sku: (delivered, left) for sku, (delivered, left) in self.ask(look).items()}

    def held_orders(self) -> list[str]:
        """Return the orders that hold some of a product."""
        look = "[h['order'] for p in db.products.find({}) for h in p['holds'].values()]"
        orders: list[str] = self.ask(look)
        return orders

    @contextmanager
    def product(self, stock: int) -> Iterator[str]:
        """Let there be another product with so many on stock; return its sku."""
        sku = f"Test-{uuid.uuid4().hex[:8]}"
        content = {
            "_id": sku,
            "name": sku,
            "category": "test",
            "summary": "A test.",
            "description": "A test.",
            "price": 100,
            "weight_grams": 1,
            "level": "beginner",
            "hours": 1,
            "picture": "x.svg",
            "tags": ["test"],
            "search": sku.lower(),
            "sort_key": f"{sku.lower()}\t{sku}",
            "stock": stock,
            "delivered": stock,
            "holds": {},
            "retired": False,
            "digest": "",
        }
        self.ask(f"bool(db.products.insert_one({content!r}))")
        try:
            yield sku
        finally:
            self.ask(f"db.products.delete_one({{'_id': {sku!r}}}).deleted_count")

    def run(self, command: str) -> str:
        """Run a command on the server's host."""
        return self._platform.run(self.host, command)

    def wait_until_it_answers(self) -> None:
        """Return when it answers."""
        ping = f"{self._connect}print(client.admin.command('ping')['ok'])\n"
        wait_until(
            "the document store answers",
            lambda: self._platform.feed(self.host, PYTHON, ping).startswith("1"),
        )
