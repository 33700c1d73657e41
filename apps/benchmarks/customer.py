"""What the orders of a load need beside broker and database: a customer, and enough to sell.

Stock is written to the catalogue's database, and at the end the number that the deployment's files
have: `--migrate` would not take back what is sold by then.
"""

import json
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

from benchmarks import stock
from benchmarks.remote import BenchmarkError, Hosts

__all__ = ["begin_guest", "deliver", "take_back"]

SKU = "Linux"
# ever delivered: more than all rounds sell
DELIVERED = 900_000
USER_PORT = 8082
SECONDS = 20.0


def begin_guest(hosts: Hosts) -> str:
    """Begin a guest's session at the user service; return its token."""
    request = Request(
        f"http://{hosts.user.address}:{USER_PORT}/guests",
        data=json.dumps({"delivery": "token"}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=SECONDS) as answer:
            return str(json.load(answer)["token"])
    except (URLError, OSError) as error:
        raise BenchmarkError(f"the user service gives no session: {error}") from error


def deliver(hosts: Hosts) -> None:
    """Let there be enough of what the orders are for; BenchmarkError when that fails."""
    _put(hosts, DELIVERED)


def take_back(hosts: Hosts) -> None:
    """Let there be as many as before any load; nothing happens a second time."""
    _put(hosts, stock.shipped()[SKU])


def _put(hosts: Hosts, delivered: int) -> None:
    hosts.catalogue.run(stock.command({SKU: delivered}), stock.PROGRAM)
