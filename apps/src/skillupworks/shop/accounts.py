"""Accounts and guests: who may register, who is let in, and what ends with an account."""

from datetime import UTC, datetime
from http import HTTPStatus
from secrets import token_hex
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter

from skillupworks.runtime.problems import ProblemError
from skillupworks.shop.account import Account, AccountStore
from skillupworks.shop.gate import Gate
from skillupworks.shop.sessions import no_session

__all__ = ["AccountMetrics", "Accounts", "Sessions"]

# as long as the id of a document in MongoDB, which the order message's userId is
ID_BYTES = 12
GUEST_ID = "user-session-"


class Sessions(Protocol):
    """Where sessions begin and end; every method may raise StoreUnavailableError."""

    def begin(self, owner: str, *, guest: bool) -> str:
        """Begin a session and return its token, which is kept nowhere."""

    def end(self, token: str) -> bool:
        """End a session; say whether there was one."""

    def end_all(self, owner: str) -> int:
        """End all sessions of somebody; return how many there were."""


class AccountMetrics:
    """What is counted of accounts and sessions."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.changes = Counter(
            "skillupworks_user_changes",
            "Accounts and sessions that began or ended",
            ["change"],
            registry=registry,
        )
        for change in ("registered", "deleted", "guest", "logged_in", "logged_out"):
            self.changes.labels(change)


class Accounts:
    """Everybody who can buy something. ProblemError for what somebody did wrong."""

    def __init__(
        self,
        store: AccountStore,
        sessions: Sessions,
        gate: Gate,
        metrics: AccountMetrics,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._gate = gate
        self._metrics = metrics

    def register(self, email: str, name: str | None, password: str, address: str) -> Account:
        """Make an account.

        An address that is taken is refused openly, with 409. To hide it, the answer would have to
        go by e-mail, and be the same here for both; without that letter a customer who forgot an
        account would be told that all is well, and could not log in, while whoever wants to know
        would see it at the next login. Instead an address cannot ask often.
        """
        account = Account(
            account_id=token_hex(ID_BYTES),
            email=email,
            name=name,
            password_hash=self._gate.new_hash(password, address),
            # what the database can keep
            created_at=datetime.now(UTC).replace(microsecond=0),
        )
        if not self._store.add(account):
            message = "has an account already"
            raise ProblemError(
                HTTPStatus.CONFLICT, f"email: {message}", errors=[("email", message)]
            )
        self._count("registered")
        return account

    def log_in(self, email: str, password: str, address: str) -> tuple[str, str]:
        """Return the account's id, and the token of a new session.

        An address without an account and a wrong password are the same in words and in time.
        """
        account = self._gate.check(email, password, address)
        if account is None:
            raise ProblemError(
                HTTPStatus.UNAUTHORIZED,
                "There is no account with this e-mail address and password",
                headers={"WWW-Authenticate": "Bearer"},
            )
        token = self._sessions.begin(account.account_id, guest=False)
        # deleted meanwhile: all of its sessions were ended, and perhaps before this one began
        if self._store.by_id(account.account_id) is None:
            self._sessions.end(token)
            raise no_session()
        self._count("logged_in")
        return account.account_id, token

    def begin_guest(self, address: str) -> tuple[str, str]:
        """Return the id of a new guest, and the token of a session."""
        self._gate.pass_guest(address)
        guest_id = GUEST_ID + token_hex(ID_BYTES)
        token = self._sessions.begin(guest_id, guest=True)
        self._count("guest")
        return guest_id, token

    def log_out(self, token: str) -> None:
        """End a session; it is no error if it has ended."""
        if self._sessions.end(token):
            self._count("logged_out")

    def show(self, account_id: str) -> Account:
        """Return the account of a session; ProblemError 401 when it was deleted."""
        account = self._store.by_id(account_id)
        if account is None:
            raise no_session()
        return account

    def delete(self, account_id: str, password: str, address: str) -> None:
        """Delete an account, and end all of its sessions.

        In this order: whoever logs in meanwhile looks once more whether the account is there. When
        the second step fails, sessions without an account are left: here they open nothing, and
        they end like others.
        """
        email = self.show(account_id).email
        if self._gate.check(email, password, address) is None:
            message = "is wrong"
            raise ProblemError(
                HTTPStatus.FORBIDDEN, f"password: {message}", errors=[("password", message)]
            )
        self._store.delete(account_id)
        self._sessions.end_all(account_id)
        self._count("deleted")

    def _count(self, change: str) -> None:
        self._metrics.changes.labels(change).inc()
