"""What is kept of a password, and that many at the same time take a bounded memory."""

import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from skillupworks.runtime.problems import ProblemError
from skillupworks.shop.passwords import Cost, PasswordMetrics, Passwords, Verdict

CHEAP = Cost(memory_kib=64, passes=1)


def passwords(cost: Cost = CHEAP) -> Passwords:
    return Passwords(PasswordMetrics(CollectorRegistry()), cost)


def test_a_hash_is_argon2id_with_the_recommended_cost_and_a_salt_of_its_own() -> None:
    hasher = passwords(Cost())

    first, second = hasher.hash("correct horse"), hasher.hash("correct horse")

    assert re.match(r"\$argon2id\$v=19\$m=19456,t=2,p=1\$", first)
    assert first != second
    assert "correct" not in first
    assert hasher.verify(first, "correct horse") == Verdict(right=True)


@examples(max_examples=30)
@given(st.text(min_size=1, max_size=130), st.text(min_size=1, max_size=130))
def test_only_the_password_itself_is_right(password: str, other: str) -> None:
    hasher = passwords()
    hashed = hasher.hash(password)

    assert hasher.verify(hashed, password).right
    if hasher.verify(hashed, other).right:
        assert hasher.verify(hasher.hash(other), password).right


@pytest.mark.parametrize(
    ("chosen", "typed"),
    [
        ("Ame\u0301lie's password", "Am\u00e9lie's password"),
        ("\uff50assword one", "password one"),
        ("stra\ufb00e password", "straffe password"),
    ],
)
def test_the_same_characters_typed_in_another_way_are_the_same(chosen: str, typed: str) -> None:
    hasher = passwords()

    assert hasher.verify(hasher.hash(chosen), typed).right
    assert not hasher.verify(hasher.hash(chosen), typed.upper()).right


def test_nobodys_password_is_never_right_and_takes_as_long() -> None:
    hasher = passwords(Cost())
    hashed = hasher.hash("correct horse")

    def seconds(of: str | None) -> float:
        began = monotonic()
        assert not hasher.verify(of, "wrong horse").right
        return monotonic() - began

    somebody = min(seconds(hashed) for _ in range(5))
    nobody = min(seconds(None) for _ in range(5))
    assert 0.5 < nobody / somebody < 2


def test_a_hash_of_other_parameters_is_made_again_for_whoever_knows_the_password() -> None:
    old = passwords().hash("correct horse")
    hasher = passwords(Cost(memory_kib=128, passes=2))

    verdict = hasher.verify(old, "correct horse")

    assert verdict.right
    assert verdict.rehashed
    assert "m=128,t=2" in verdict.rehashed
    assert hasher.verify(verdict.rehashed, "correct horse") == Verdict(right=True)
    assert hasher.verify(old, "wrong horse") == Verdict(right=False)


def test_few_are_hashed_at_once_some_wait_and_the_others_are_sent_away() -> None:
    hasher = passwords(Cost(memory_kib=64 * 1024, passes=4, at_once=1, waiting=2))
    together = Barrier(12)

    def hash_one(number: int) -> int:
        together.wait(10)
        try:
            return len(hasher.hash(f"password {number}"))
        except ProblemError as error:
            assert error.headers["Retry-After"] == "5"
            return int(error.status)

    with ThreadPoolExecutor(12) as pool:
        results = list(pool.map(hash_one, range(12)))

    # one is at work and two wait; some of the others may have come when the first had ended
    assert results.count(503) >= 6
    assert len(results) - results.count(503) >= 3
    assert hasher.verify(hasher.hash("correct horse"), "correct horse").right
