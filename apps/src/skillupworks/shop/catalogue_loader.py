"""Brings the database up to what the files say is sold; run at deployment, by `--migrate`.

It may run as often as it likes, beside services that sell, and may be cut off anywhere: each step
is a document of its own, and the next run does what is left. What was sold stays sold: a file says
how many pieces were ever delivered (`stock`), the database remembers the number it has taken in
(`delivered`), and only the difference is added. A product that the files have no longer is kept,
as reservations may need it, and not shown.
"""

from dataclasses import dataclass
from hashlib import sha256

from pymongo.collection import Collection

from skillupworks.runtime.mongo import Document, DuplicateKeyError, MongoDatabase
from skillupworks.shop.catalogue_files import CatalogueFiles, CategoryEntry, ProductEntry
from skillupworks.shop.catalogue_search import search_text, sort_key
from skillupworks.shop.catalogue_store import CATEGORIES, PRODUCTS
from skillupworks.shop.reservation_store import RESERVATIONS

__all__ = ["Loaded", "load"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was done: documents written, and the skus whose stock could not be lowered."""

    written: int
    short: tuple[str, ...]

    def __str__(self) -> str:
        line = f"catalogue: upgraded, {self.written} written" if self.written else ""
        line = line or "catalogue: up to date"
        if self.short:
            line += f"; sold already, so not taken back: {', '.join(self.short)}"
        return line


def load(database: MongoDatabase, files: CatalogueFiles) -> Loaded:
    """Write what differs; StoreUnavailableError when the database is away."""
    with database.collection(RESERVATIONS) as reservations:
        reservations.create_index([("state", 1), ("expires_at", 1)])
    with database.collection(CATEGORIES) as categories:
        written = _load_categories(categories, files.categories)
    with database.collection(PRODUCTS) as products:
        products.create_index([("sort_key", 1)])
        products.create_index([("category", 1), ("sort_key", 1)])
        known = {found["_id"]: found for found in products.find({}, {"digest": 1, "delivered": 1})}
        written += sum(
            _load_product(products, entry, known.get(entry.sku)) for entry in files.products
        )
        delivered = [
            entry
            for entry in files.products
            if entry.sku in known and known[entry.sku]["delivered"] != entry.stock
        ]
        short = [
            entry.sku
            for entry in delivered
            if not _deliver(products, entry, known[entry.sku]["delivered"])
        ]
        written += len(delivered) - len(short)
        written += products.update_many(
            {"_id": {"$nin": [entry.sku for entry in files.products]}, "retired": False},
            {"$set": {"retired": True, "digest": ""}},
        ).modified_count
    return Loaded(written, tuple(short))


def _load_categories(categories: Collection[Document], entries: tuple[CategoryEntry, ...]) -> int:
    wanted = {
        entry.slug: {"_id": entry.slug, "title": entry.title, "place": place}
        for place, entry in enumerate(entries)
    }
    known = {found["_id"]: found for found in categories.find({})}
    changed = [document for slug, document in wanted.items() if known.get(slug) != document]
    for document in changed:
        categories.replace_one({"_id": document["_id"]}, document, upsert=True)
    gone = [slug for slug in known if slug not in wanted]
    if gone:
        categories.delete_many({"_id": {"$in": gone}})
    return len(changed) + len(gone)


def _load_product(
    products: Collection[Document], entry: ProductEntry, known: Document | None
) -> bool:
    """Write all but the stock, which only a new product gets; say whether there was a change."""
    digest = sha256(entry.model_dump_json(exclude={"stock"}).encode()).hexdigest()
    if known is not None and known["digest"] == digest:
        return False
    content = {
        "name": entry.name,
        "category": entry.category,
        "summary": entry.summary,
        "description": entry.description,
        "price": entry.price_minor,
        "weight_grams": entry.weight_grams,
        "level": entry.level,
        "hours": entry.hours,
        "picture": entry.picture,
        "tags": entry.tags,
        "search": search_text(entry.name, entry.summary, entry.tags),
        "sort_key": sort_key(entry.name, entry.sku),
        "retired": False,
        "digest": digest,
    }
    if known is None:
        stock = {"stock": entry.stock, "delivered": entry.stock, "holds": {}}
        try:
            products.insert_one({"_id": entry.sku, **content, **stock})
        except DuplicateKeyError:  # another run was quicker
            return False
        return True
    products.update_one({"_id": entry.sku}, {"$set": content})
    return True


def _deliver(products: Collection[Document], entry: ProductEntry, before: int) -> bool:
    """Add what has come since the last run, once; False when so many are not left to take back."""
    more = entry.stock - before
    result = products.update_one(
        # of two runs at the same time one finds the number changed
        {"_id": entry.sku, "delivered": before, "stock": {"$gte": -more}},
        {"$inc": {"stock": more}, "$set": {"delivered": entry.stock}},
    )
    if result.matched_count:
        return True
    found = products.find_one({"_id": entry.sku}, {"delivered": 1})
    return found is not None and found["delivered"] == entry.stock
