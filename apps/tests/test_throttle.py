"""Who has to wait: what attempts are counted by; how they are counted is tested on the hosts."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import pytest

from skillupworks.runtime.problems import ProblemError
from skillupworks.runtime.redis import RedisPool, Script
from skillupworks.shop.throttle import COUNT, GIVE_BACK, Allowance, RedisThrottle

ALLOWANCE = Allowance(account_logins=5, address_logins=50, registrations=20, guests=500)


class Counts(RedisPool):
    """Notes what it is asked for; `wait` is what a count answers, `there` which keys there are."""

    def __init__(self) -> None:
        self.wait = 0
        self.there: set[str] = set()
        self.calls: list[tuple[str, list[str], list[str | int]]] = []

    def script(self, source: str) -> Script:
        def call(keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
            self.calls.append((source, list(keys), list(arguments)))
            return self.wait

        return call

    def hash(self, key: str) -> dict[str, str]:
        return {"used": "1"} if key in self.there else {}

    def delete(self, key: str) -> None:
        self.calls.append(("DEL", [key], []))


def name(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@pytest.fixture
def counts() -> Counts:
    """Return a Redis that lets everybody pass."""
    return Counts()


@pytest.fixture
def throttle(counts: Counts) -> RedisThrottle:
    """Return a throttle that counts there."""
    return RedisThrottle(counts, ALLOWANCE)


def test_a_login_counts_with_its_account_and_its_address(
    counts: Counts, throttle: RedisThrottle
) -> None:
    throttle.login("asha@example.com", "203.0.113.7")

    ((source, keys, arguments),) = counts.calls
    assert source == COUNT
    assert keys == [
        f"throttle:account:{name('asha@example.com')}",
        f"throttle:address:{name('203.0.113.7')}",
    ]
    assert arguments == [900, 3600, 5, 50]
    assert "asha" not in str(keys)


def test_an_address_from_which_the_account_was_used_has_a_count_of_its_own(
    counts: Counts, throttle: RedisThrottle
) -> None:
    throttle.succeeded(throttle.login("asha@example.com", "203.0.113.7"))
    (remembered,) = counts.calls[-1][1]
    counts.there = {remembered}

    own = throttle.login("asha@example.com", "203.0.113.7")
    strangers = throttle.login("asha@example.com", "203.0.113.8")
    another = throttle.login("bea@example.com", "203.0.113.7")

    assert own.account != strangers.account
    assert strangers.account == f"throttle:account:{name('asha@example.com')}"
    assert another.account == f"throttle:account:{name('bea@example.com')}"


def test_what_succeeded_is_taken_back_and_so_is_what_was_not_made(
    counts: Counts, throttle: RedisThrottle
) -> None:
    attempt = throttle.login("asha@example.com", "203.0.113.7")
    counts.calls.clear()

    throttle.not_made(attempt)
    assert counts.calls == [(GIVE_BACK, [attempt.account, attempt.address], [])]
    counts.calls.clear()
    throttle.succeeded(attempt)
    assert counts.calls[0] == ("DEL", [attempt.account], [])
    assert counts.calls[1] == (GIVE_BACK, [attempt.address], [])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.7", "203.0.113.7", True),
        ("203.0.113.7", "203.0.113.8", False),
        # a customer has a /64, and may use any address of it
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:DB8:0:1::1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
        ("::ffff:203.0.113.7", "::ffff:203.0.113.8", False),
        ("testclient", "testclient", True),
    ],
)
def test_addresses_count_together_that_one_customer_has(
    counts: Counts, throttle: RedisThrottle, one: str, other: str, *, same: bool
) -> None:
    throttle.guest(one)
    throttle.guest(other)

    first, second = (keys for _, keys, _ in counts.calls)
    assert (first == second) is same


def test_who_has_to_wait_is_told_for_how_long(counts: Counts, throttle: RedisThrottle) -> None:
    counts.wait = 7

    for ask in (
        lambda: throttle.login("asha@example.com", "203.0.113.7"),
        lambda: throttle.registration("203.0.113.7"),
        lambda: throttle.guest("203.0.113.7"),
    ):
        with pytest.raises(ProblemError) as caught:
            ask()
        assert (caught.value.status, caught.value.headers) == (429, {"Retry-After": "7"})
    registered, guests = (keys for _, keys, _ in counts.calls[1:])
    assert registered != guests
