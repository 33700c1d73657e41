"""Writes how many of each product there are; run by the catalogue's Python with its environment.

`--migrate` cannot take back what is sold, and a load sells more than there was before it. So the
numbers are written as they are to be: `delivered`, and as `stock` what no reservation holds of it.
"""

import json
import sys
from typing import Any, Protocol

__all__ = ["Products", "put", "written"]

TRIES = 100


class Products(Protocol):
    """What this needs of a collection."""

    def find_one(self, condition: dict[str, Any], /) -> dict[str, Any] | None:
        """Return a document."""

    def update_one(self, condition: dict[str, Any], change: dict[str, Any], /) -> Any:  # noqa: ANN401 - the driver's
        """Change a document where the condition holds."""


def written(product: dict[str, Any], delivered: int) -> dict[str, int]:
    """Return the numbers of a product of which so many are delivered and none is sold."""
    held = sum(hold["quantity"] for hold in product["holds"].values())
    return {"delivered": delivered, "stock": max(0, delivered - held)}


def put(products: Products, sku: str, delivered: int) -> bool:
    """Let so many of a product be delivered; False when it is so, or there is no such product.

    Nothing is written of a product whose `delivered` is right: what is sold of it stays sold.
    """
    for _ in range(TRIES):
        product = products.find_one({"_id": sku})
        if product is None or product["delivered"] == delivered:
            return False
        # a reservation at the same moment changes the stock, and this finds it so
        seen = {name: product[name] for name in ("_id", "delivered", "stock")}
        if products.update_one(seen, {"$set": written(product, delivered)}).matched_count:
            return True
    raise RuntimeError(f"{sku} changes all the time")


def main() -> None:
    """Write the numbers that the first argument has by sku, as JSON; print how many it wrote."""
    # only the release on the catalogue's host has them
    from skillupworks.runtime.mongo import MongoDatabase  # noqa: PLC0415
    from skillupworks.runtime.settings import load  # noqa: PLC0415
    from skillupworks.shop.catalogue import CatalogueDatabaseSettings  # noqa: PLC0415
    from skillupworks.shop.catalogue_store import PRODUCTS  # noqa: PLC0415

    database = MongoDatabase(load(CatalogueDatabaseSettings), size=1)
    with database.collection(PRODUCTS) as products:
        changed = sum(put(products, sku, many) for sku, many in json.loads(sys.argv[1]).items())
    database.close()
    print(changed)


if __name__ == "__main__":
    main()
