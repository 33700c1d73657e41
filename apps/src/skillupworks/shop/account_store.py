"""Accounts in MongoDB: one document each, and no two with the same address.

That no address has two accounts is the promise of a unique index alone: of many who register it at
the same time one succeeds. `user --migrate` makes it, and without it the service is not ready.
"""

from datetime import UTC

from skillupworks.errors import StoreUnavailableError
from skillupworks.runtime.mongo import Document, DuplicateKeyError, MongoDatabase
from skillupworks.runtime.settings import MongoSettings
from skillupworks.shop.account import Account

__all__ = ["MongoAccountStore", "prepare"]

ACCOUNTS = "accounts"
EMAIL_KEY = [("email", 1)]


class MongoAccountStore:
    """The AccountStore of account.py; thread-safe. Raises StoreUnavailableError."""

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database

    def add(self, account: Account) -> bool:
        """Add an account; say whether its address was free."""
        document = {
            "_id": account.account_id,
            "email": account.email,
            "name": account.name,
            "password_hash": account.password_hash,
            "created_at": account.created_at,
        }
        with self._database.collection(ACCOUNTS) as accounts:
            try:
                accounts.insert_one(document)
            except DuplicateKeyError:
                return False
        return True

    def by_email(self, email: str) -> Account | None:
        """Return the account of an address, or None."""
        return self._find({"email": email})

    def by_id(self, account_id: str) -> Account | None:
        """Return an account, or None."""
        return self._find({"_id": account_id})

    def change_hash(self, account_id: str, old: str, new: str) -> None:
        """Replace the hash of a password if it is still the old one."""
        with self._database.collection(ACCOUNTS) as accounts:
            accounts.update_one(
                {"_id": account_id, "password_hash": old}, {"$set": {"password_hash": new}}
            )

    def delete(self, account_id: str) -> None:
        """Delete an account if it is there."""
        with self._database.collection(ACCOUNTS) as accounts:
            accounts.delete_one({"_id": account_id})

    def check(self) -> str | None:
        """Return None when the database answers and is as needed, otherwise what is wrong."""
        if problem := self._database.check():
            return problem
        try:
            has_index = _has_index(self._database)
        except StoreUnavailableError as error:
            return str(error)
        return None if has_index else "MongoDB: not prepared; run `user --migrate`"

    def _find(self, condition: Document) -> Account | None:
        with self._database.collection(ACCOUNTS) as accounts:
            found = accounts.find_one(condition)
        if found is None:
            return None
        return Account(
            account_id=found["_id"],
            email=found["email"],
            name=found["name"],
            password_hash=found["password_hash"],
            created_at=found["created_at"].replace(tzinfo=UTC),
        )


def prepare(settings: MongoSettings) -> str:
    """Make what the store needs where it is missing; return the line that says what was done."""
    database = MongoDatabase(settings, size=1)
    try:
        if _has_index(database):
            return "users: up to date"
        with database.collection(ACCOUNTS) as accounts:
            accounts.create_index(EMAIL_KEY, unique=True)
        return "users: upgraded, each address has one account"
    finally:
        database.close()


def _has_index(database: MongoDatabase) -> bool:
    with database.collection(ACCOUNTS) as accounts:
        # by what it does: an engine may give it a name of its own
        indexes = accounts.index_information().values()
    return any(index["key"] == EMAIL_KEY and bool(index.get("unique")) for index in indexes)
