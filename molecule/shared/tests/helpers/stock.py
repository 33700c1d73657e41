"""More to sell, delivered as the catalogue's page says: a higher `stock` in products.json."""

import json
from collections.abc import Iterable

from tests.helpers.ansible import PROJECT
from tests.helpers.hosts import Platform
from tests.helpers.mongodb import MongoDb
from tests.helpers.services import catalogues

FILES = "/etc/skillupworks/catalogue"
COPY = "/run/test-delivery"
BINARY = "/opt/skillupworks/current/bin/catalogue"


class Stock:
    """What the catalogue has."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._service = catalogues(platform)[0]
        self._store = MongoDb(platform)

    def gone(self) -> dict[str, int]:
        """Return how many of each product are sold or held."""
        return {sku: delivered - left for sku, (delivered, left) in self._store.stocks().items()}

    def ensure(self, skus: Iterable[str], least: int) -> None:
        """Let there be at least so many of these products; what is delivered stays.

        The files of the deployment are left alone: the next one takes back what can be taken back.
        """
        stocks = self._store.stocks()
        short = {sku for sku in skus if stocks[sku][1] < least}
        if not short:
            return
        products = json.loads((PROJECT / "files" / "catalogue" / "products.json").read_text())
        for product in products:
            # so that nothing is taken back of the others
            product["stock"], left = stocks[product["sku"]]
            if product["sku"] in short:
                product["stock"] += least - left
        self._service.run(f"rm -rf {COPY}; cp -r {FILES} {COPY}")
        self._platform.feed(self._service.host, f"tee {COPY}/products.json", json.dumps(products))
        migrate = f"{self._service.environment()} CATALOGUE_FOLDER={COPY} {BINARY} --migrate"
        said = self._service.run(f"{migrate}; rm -r {COPY}")
        assert "upgraded" in said, said
