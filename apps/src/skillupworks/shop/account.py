"""What is known of somebody with an account, and what is needed of where that is kept."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

__all__ = ["Account", "AccountStore"]


@dataclass(frozen=True, slots=True)
class Account:
    """An account; its address is in its normal form, time in UTC."""

    account_id: str
    email: str
    name: str | None
    password_hash: str = field(repr=False)
    created_at: datetime


class AccountStore(Protocol):
    """Where accounts are; every method may raise StoreUnavailableError."""

    def add(self, account: Account) -> bool:
        """Add an account; say whether its address was free."""

    def by_email(self, email: str) -> Account | None:
        """Return the account of an address, or None."""

    def by_id(self, account_id: str) -> Account | None:
        """Return an account, or None."""

    def change_hash(self, account_id: str, old: str, new: str) -> None:
        """Replace the hash of a password if it is still the old one."""

    def delete(self, account_id: str) -> None:
        """Delete an account if it is there."""
