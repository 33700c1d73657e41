"""The gate: passwords that are tried or chosen, and who has to wait."""

from contextlib import suppress
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter

from skillupworks.errors import StoreUnavailableError
from skillupworks.runtime.problems import ProblemError
from skillupworks.shop.account import Account, AccountStore
from skillupworks.shop.passwords import Passwords
from skillupworks.shop.throttle import Attempt

__all__ = ["Gate", "LoginMetrics", "Throttle"]


class Throttle(Protocol):
    """Who has to wait: ProblemError 429. Every method may raise StoreUnavailableError."""

    def login(self, account: str, address: str) -> Attempt:
        """Count an attempt to log in; it has to be told how it ended."""

    def succeeded(self, attempt: Attempt) -> None:
        """Take note that the password was right."""

    def not_made(self, attempt: Attempt) -> None:
        """Take note that nobody looked whether the password was right."""

    def registration(self, address: str) -> None:
        """Count an account that is about to be made."""

    def guest(self, address: str) -> None:
        """Count a guest that is about to be made."""


class LoginMetrics:
    """What is counted of passwords that are tried."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.logins = Counter(
            "skillupworks_user_logins",
            "Passwords that were tried, by outcome",
            ["outcome"],
            registry=registry,
        )
        for outcome in ("accepted", "refused", "throttled"):
            self.logins.labels(outcome)
        self.rehashed = Counter(
            "skillupworks_user_rehashed",
            "Passwords that were hashed again, since their hash was out of date",
            registry=registry,
        )


class Gate:
    """Lets in who knows the password, and makes wait who tries too often: ProblemError 429.

    `address` is always the one that the client asks from.
    """

    def __init__(
        self, store: AccountStore, passwords: Passwords, throttle: Throttle, metrics: LoginMetrics
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._throttle = throttle
        self._metrics = metrics

    def check(self, email: str, password: str, address: str) -> Account | None:
        """Return the account of an e-mail address if the password is right, or None.

        Whether there is such an account makes no difference to how long it takes, nor to how often
        somebody may try.
        """
        try:
            attempt = self._throttle.login(email, address)
        except ProblemError:
            self._count("throttled")
            raise
        try:
            account = self._store.by_email(email)
            verdict = self._passwords.verify(account.password_hash if account else None, password)
        except Exception:
            self._throttle.not_made(attempt)
            raise
        if account is None or not verdict.right:
            self._count("refused")
            return None
        self._count("accepted")
        self._throttle.succeeded(attempt)
        if verdict.rehashed:
            self._rehash(account, verdict.rehashed)
        return account

    def new_hash(self, password: str, address: str) -> str:
        """Return what is kept of the password of an account that is about to be made."""
        self._throttle.registration(address)
        return self._passwords.hash(password)

    def pass_guest(self, address: str) -> None:
        """Let a guest pass."""
        self._throttle.guest(address)

    def _rehash(self, account: Account, new: str) -> None:
        # the old one is right as well, and the next login tries again
        with suppress(StoreUnavailableError):
            self._store.change_hash(account.account_id, account.password_hash, new)
            self._metrics.rehashed.inc()

    def _count(self, outcome: str) -> None:
        self._metrics.logins.labels(outcome).inc()
