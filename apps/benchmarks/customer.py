"""What the orders of a load need beside broker and database: a customer, and enough to sell.

Stock is delivered as the catalogue's page says, by a higher `stock` in a copy of its files; at the
end what is left of it is taken back in the same way.
"""

import json
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

from benchmarks.remote import BenchmarkError, Hosts

__all__ = ["begin_guest", "deliver", "take_back"]

SKU = "Linux"
# ever delivered: more than all rounds sell
DELIVERED = 900_000
FILES = "/etc/skillupworks/catalogue"
COPY = "/run/benchmark-catalogue"
MIGRATE = (
    "set -a; . /etc/skillupworks/catalogue.env;"
    " export $(systemctl show catalogue --property=Environment --value);"
    " CATALOGUE_FOLDER={folder} /opt/skillupworks/current/bin/catalogue --migrate"
)
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
    catalogue = hosts.catalogue
    catalogue.run(f"sudo rm -rf {COPY} && sudo cp -r {FILES} {COPY}")
    products = json.loads(catalogue.run(f"cat {FILES}/products.json"))
    for product in products:
        if product["sku"] == SKU:
            product["stock"] = DELIVERED
    catalogue.run(f"sudo tee {COPY}/products.json >/dev/null", json.dumps(products))
    _migrate(hosts, COPY)


def take_back(hosts: Hosts) -> None:
    """Take back what was delivered, as far as it is not sold; nothing happens a second time."""
    _migrate(hosts, FILES)
    hosts.catalogue.run(f"sudo rm -rf {COPY}")


def _migrate(hosts: Hosts, folder: str) -> None:
    # the secrets stay on the host: bash reads its program from standard input
    hosts.catalogue.run("sudo bash -e", MIGRATE.format(folder=folder))
