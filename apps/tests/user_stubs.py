"""Stand-ins for what the user service works with: accounts, sessions and counts in memory."""

from collections import Counter
from http import HTTPStatus

from skillupworks.errors import StoreUnavailableError
from skillupworks.runtime.problems import ProblemError
from skillupworks.shop.account import Account
from skillupworks.shop.session_store import UsedSession
from skillupworks.shop.throttle import Attempt


class MemoryAccounts:
    """An AccountStore in memory; `problem` is why it does not answer."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.problem: str | None = None
        # what somebody else does between two questions
        self.meanwhile: str | None = None

    def add(self, account: Account) -> bool:
        self._answer()
        if self.by_email(account.email):
            return False
        self.accounts[account.account_id] = account
        return True

    def by_email(self, email: str) -> Account | None:
        self._answer()
        found = (account for account in self.accounts.values() if account.email == email)
        account = next(found, None)
        if account and self.meanwhile == "deleted":
            del self.accounts[account.account_id]
        return account

    def by_id(self, account_id: str) -> Account | None:
        self._answer()
        return self.accounts.get(account_id)

    def change_hash(self, account_id: str, old: str, new: str) -> None:
        if self.meanwhile == "away":
            raise StoreUnavailableError("MongoDB: away")
        found = self.accounts[account_id]
        assert found.password_hash == old
        self.accounts[account_id] = Account(
            account_id, found.email, found.name, new, found.created_at
        )

    def delete(self, account_id: str) -> None:
        self._answer()
        self.accounts.pop(account_id, None)

    def check(self) -> str | None:
        return self.problem

    def _answer(self) -> None:
        if self.problem:
            raise StoreUnavailableError(self.problem)


class MemorySessions:
    """Sessions in memory: token number n is `token-n`; `old` ones are renewed where that can be."""

    def __init__(self) -> None:
        self.owners: dict[str, tuple[str, bool]] = {}
        self.made = 0
        self.old: set[str] = set()
        self.problem: str | None = None

    def begin(self, owner: str, *, guest: bool) -> str:
        self._answer()
        self.made += 1
        token = f"token-{self.made}"
        self.owners[token] = (owner, guest)
        return token

    def use(self, token: str, *, renew: bool) -> UsedSession | None:
        self._answer()
        if token not in self.owners:
            return None
        owner, guest = self.owners[token]
        renewed = self.begin(owner, guest=guest) if renew and token in self.old else None
        return UsedSession(owner, guest, 1000, renewed)

    def end(self, token: str) -> bool:
        self._answer()
        return self.owners.pop(token, None) is not None

    def end_all(self, owner: str) -> int:
        self._answer()
        tokens = [token for token, (whose, _) in self.owners.items() if whose == owner]
        for token in tokens:
            del self.owners[token]
        return len(tokens)

    def check(self) -> str | None:
        return self.problem

    def _answer(self) -> None:
        if self.problem:
            raise StoreUnavailableError(self.problem)


class MemoryThrottle:
    """A Throttle that notes what it is told; `seconds` is for how long everybody has to wait."""

    def __init__(self) -> None:
        self.seconds = 0
        self.told: Counter[str] = Counter()
        self.addresses: set[str] = set()

    def login(self, account: str, address: str) -> Attempt:
        self._note("login", address)
        return Attempt(account, address, "")

    def succeeded(self, attempt: Attempt) -> None:
        self.told[f"succeeded {attempt.account}"] += 1

    def not_made(self, attempt: Attempt) -> None:
        self.told[f"not made {attempt.account}"] += 1

    def registration(self, address: str) -> None:
        self._note("registration", address)

    def guest(self, address: str) -> None:
        self._note("guest", address)

    def _note(self, what: str, address: str) -> None:
        self.told[what] += 1
        self.addresses.add(address)
        if self.seconds:
            headers = {"Retry-After": str(self.seconds)}
            raise ProblemError(HTTPStatus.TOO_MANY_REQUESTS, "too many", headers=headers)
