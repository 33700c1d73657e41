"""The gate: what of a login is counted, and what becomes of an old hash."""

from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from skillupworks.errors import StoreUnavailableError
from skillupworks.runtime.problems import ProblemError
from skillupworks.shop.account import Account
from skillupworks.shop.gate import Gate, LoginMetrics
from skillupworks.shop.passwords import Cost, PasswordMetrics, Passwords

from .user_stubs import MemoryAccounts, MemoryThrottle

ADDRESS = "203.0.113.7"
PASSWORD = "correct horse"


class Hall:
    """A gate with an account of Asha's, whose hash cost `hashed_at`."""

    def __init__(self, hashed_at: Cost, cost: Cost) -> None:
        self.registry = CollectorRegistry()
        metrics = PasswordMetrics(self.registry)
        kept = Passwords(PasswordMetrics(CollectorRegistry()), hashed_at).hash(PASSWORD)
        self.store, self.throttle = MemoryAccounts(), MemoryThrottle()
        self.account = Account("a1", "asha@example.com", "Asha", kept, datetime.now(UTC))
        self.store.add(self.account)
        passwords = Passwords(metrics, cost)
        self.gate = Gate(self.store, passwords, self.throttle, LoginMetrics(self.registry))

    def counted(self, outcome: str) -> float | None:
        labels = {"outcome": outcome}
        return self.registry.get_sample_value("skillupworks_user_logins_total", labels)


CHEAP = Cost(memory_kib=64, passes=1)


@pytest.fixture
def hall() -> Hall:
    """Return a gate whose hashes are up to date."""
    return Hall(CHEAP, CHEAP)


def test_the_right_password_is_taken_back_from_the_counts(hall: Hall) -> None:
    assert hall.gate.check("asha@example.com", PASSWORD, ADDRESS) == hall.account
    assert dict(hall.throttle.told) == {"login": 1, "succeeded asha@example.com": 1}
    assert hall.counted("accepted") == 1


@pytest.mark.parametrize("email", ["asha@example.com", "nobody@example.com"])
def test_a_wrong_password_counts_whether_there_is_an_account_or_not(hall: Hall, email: str) -> None:
    assert hall.gate.check(email, "wrong horse", ADDRESS) is None
    assert dict(hall.throttle.told) == {"login": 1}
    assert hall.counted("refused") == 1


def test_who_has_to_wait_is_not_let_in_with_the_right_password_either(hall: Hall) -> None:
    hall.throttle.seconds = 7

    with pytest.raises(ProblemError) as caught:
        hall.gate.check("asha@example.com", PASSWORD, ADDRESS)

    assert caught.value.headers == {"Retry-After": "7"}
    assert (hall.counted("throttled"), hall.counted("accepted")) == (1, 0)


def test_an_attempt_that_nobody_looked_at_does_not_count(hall: Hall) -> None:
    hall.store.problem = "MongoDB: away"

    with pytest.raises(StoreUnavailableError):
        hall.gate.check("asha@example.com", PASSWORD, ADDRESS)

    assert dict(hall.throttle.told) == {"login": 1, "not made asha@example.com": 1}


def test_a_hash_that_is_out_of_date_is_replaced_at_login() -> None:
    hall = Hall(CHEAP, Cost(memory_kib=128, passes=1))

    assert hall.gate.check("asha@example.com", PASSWORD, ADDRESS)
    kept = hall.store.accounts["a1"].password_hash
    assert "m=128" in kept
    assert hall.gate.check("asha@example.com", PASSWORD, ADDRESS)
    assert hall.store.accounts["a1"].password_hash == kept
    assert hall.registry.get_sample_value("skillupworks_user_rehashed_total") == 1


def test_a_hash_that_cannot_be_replaced_now_keeps_nobody_out() -> None:
    hall = Hall(CHEAP, Cost(memory_kib=128, passes=1))
    hall.store.meanwhile = "away"

    assert hall.gate.check("asha@example.com", PASSWORD, ADDRESS) == hall.account
    assert hall.registry.get_sample_value("skillupworks_user_rehashed_total") == 0


def test_a_new_password_and_a_guest_are_counted_by_their_address(hall: Hall) -> None:
    assert "argon2id" in hall.gate.new_hash(PASSWORD, ADDRESS)
    hall.gate.pass_guest(ADDRESS)

    assert dict(hall.throttle.told) == {"registration": 1, "guest": 1}
    hall.throttle.seconds = 7
    with pytest.raises(ProblemError):
        hall.gate.new_hash(PASSWORD, ADDRESS)
    with pytest.raises(ProblemError):
        hall.gate.pass_guest(ADDRESS)
