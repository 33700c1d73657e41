"""Reservations in MongoDB, and what they hold of the stock: each step is one document, or nothing.

A reservation is a document of its own: `state`, its attempt's `token`, `skus` and `quantities`.
What it holds of a product stands in that product: taking is one conditional update that lowers
`stock` and writes `holds.<token>`, so there is no moment at which one is done and the other not;
giving back is one that needs the hold to be there, and so has its effect once, whoever tries it
and how often. Holds are fields by their token and no list: of a list of documents not every
engine takes out the right one.
"""

from collections.abc import Collection, Iterator

from skillupworks.runtime.mongo import Document, DuplicateKeyError, MongoDatabase
from skillupworks.shop.catalogue_store import PRODUCTS
from skillupworks.shop.reservation_model import Hold, Reservation, State

__all__ = ["RESERVATIONS", "MongoReservationStore"]

RESERVATIONS = "reservations"


class MongoReservationStore:
    """The ReservationStore of reservation_model.py; thread-safe. Raises StoreUnavailableError."""

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database

    def find(self, order_id: str) -> Reservation | None:
        """Return a reservation, or None."""
        with self._database.collection(RESERVATIONS) as reservations:
            found = reservations.find_one({"_id": order_id})
        return _reservation(found) if found else None

    def find_all(self, order_ids: Collection[str]) -> list[Reservation]:
        """Return those of several orders that there are."""
        with self._database.collection(RESERVATIONS) as reservations:
            found = reservations.find({"_id": {"$in": list(order_ids)}})
            return [_reservation(document) for document in found]

    def begin(self, reservation: Reservation, now: int) -> bool:
        """Write a new reservation; False when there is one of this order."""
        with self._database.collection(RESERVATIONS) as reservations:
            try:
                reservations.insert_one(_document(reservation, now))
            except DuplicateKeyError:
                return False
        return True

    def replace(self, found: Reservation, by: Reservation, now: int) -> bool:
        """Write another attempt or state; False when it is no longer as it was found."""
        condition = {"_id": found.order_id, "token": found.token, "state": found.state.value}
        with self._database.collection(RESERVATIONS) as reservations:
            return reservations.replace_one(condition, _document(by, now)).matched_count == 1

    def commit(self, order_ids: Collection[str], now: int) -> int:
        """Write of several orders that they are sold, where they are held; return how many were."""
        condition = {"_id": {"$in": list(order_ids)}, "state": State.HELD.value}
        change = {"$set": {"state": State.COMMITTED.value, "changed_at": now}}
        with self._database.collection(RESERVATIONS) as reservations:
            return reservations.update_many(condition, change).modified_count

    def take(self, sku: str, hold: Hold, until: int) -> bool:
        """Hold some of a product; False when there are not so many, or it is not sold."""
        with self._database.collection(PRODUCTS) as products:
            result = products.update_one(
                {"_id": sku, "retired": False, "stock": {"$gte": hold.quantity}},
                {
                    "$inc": {"stock": -hold.quantity},
                    "$set": {
                        f"holds.{hold.token}": {
                            "order": hold.order_id,
                            "quantity": hold.quantity,
                            "until": until,
                        }
                    },
                },
            )
        return result.matched_count == 1

    def give_back(self, sku: str, token: str, quantity: int) -> bool:
        """Return what an attempt holds of a product, if it does."""
        return self._drop(sku, token, {"$inc": {"stock": quantity}})

    def settle(self, sku: str, token: str) -> bool:
        """Forget that an attempt holds some of a product: it is sold."""
        return self._drop(sku, token, {})

    def settle_all(self, sku: str, tokens: Collection[str]) -> None:
        """Forget that attempts hold some of a product, as far as they do: it is sold."""
        holds = {f"holds.{token}": "" for token in tokens}
        with self._database.collection(PRODUCTS) as products:
            products.update_one({"_id": sku}, {"$unset": holds})

    def stock(self, sku: str) -> int | None:
        """Return how many of a product can be reserved; None when it is not sold."""
        with self._database.collection(PRODUCTS) as products:
            found = products.find_one({"_id": sku, "retired": False}, {"stock": 1})
        return int(found["stock"]) if found else None

    def overdue(self, now: int, limit: int) -> list[Reservation]:
        """Return some of the reservations whose time is over."""
        states = [State.PENDING.value, State.HELD.value]
        condition = {"state": {"$in": states}, "expires_at": {"$lte": now}}
        with self._database.collection(RESERVATIONS) as reservations:
            return [_reservation(found) for found in reservations.find(condition).limit(limit)]

    def old_holds(self, now: int) -> list[Hold]:
        """Return the holds that should be gone by now: a process ended before it had dropped them.

        All products are looked through: an engine may have no index for fields of any name.
        """
        with self._database.collection(PRODUCTS) as products:
            found = list(products.find({}, {"holds": 1}))
        return [hold for document in found for hold in _old_holds(document, now)]

    def forget(self, before: int) -> int:
        """Delete the reservations that ended before a time; return how many it were."""
        ended = [State.COMMITTED, State.RELEASED, State.REFUSED, State.EXPIRED]
        condition = {
            "state": {"$in": [state.value for state in ended]},
            "changed_at": {"$lt": before},
        }
        with self._database.collection(RESERVATIONS) as reservations:
            return reservations.delete_many(condition).deleted_count

    def _drop(self, sku: str, token: str, change: Document) -> bool:
        field = f"holds.{token}"
        with self._database.collection(PRODUCTS) as products:
            result = products.update_one(
                {"_id": sku, field: {"$exists": True}}, {**change, "$unset": {field: ""}}
            )
        return result.matched_count == 1


def _old_holds(document: Document, now: int) -> Iterator[Hold]:
    for token, hold in document["holds"].items():
        if hold["until"] <= now:
            yield Hold(document["_id"], token, hold["order"], hold["quantity"])


def _document(reservation: Reservation, now: int) -> Document:
    return {
        "_id": reservation.order_id,
        "token": reservation.token,
        "state": reservation.state.value,
        "skus": list(reservation.lines.keys()),
        "quantities": list(reservation.lines.values()),
        "expires_at": reservation.expires_at,
        "changed_at": now,
    }


def _reservation(document: Document) -> Reservation:
    return Reservation(
        order_id=document["_id"],
        token=document["token"],
        state=State(document["state"]),
        lines=dict(zip(document["skus"], document["quantities"], strict=True)),
        expires_at=document["expires_at"],
    )
