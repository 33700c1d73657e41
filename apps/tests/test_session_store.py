"""Sessions as they are written; when they end is tested on the hosts, with the real scripts."""

from collections.abc import Sequence
from typing import Any

import pytest

from skillupworks.runtime.redis import RedisPool, Script
from skillupworks.shop.session_store import (
    BEGIN,
    END,
    USE,
    Lifetime,
    RedisSessionStore,
    UsedSession,
)
from skillupworks.shop.sessions import session_id


class Scripts(RedisPool):
    """Notes the calls of scripts, and answers `answer`."""

    def __init__(self) -> None:
        self.answer: Any = []
        self.calls: list[tuple[str, list[str], list[str | int]]] = []

    def script(self, source: str) -> Script:
        def call(keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
            self.calls.append((source, list(keys), list(arguments)))
            return self.answer

        return call


@pytest.fixture
def scripts() -> Scripts:
    """Return a Redis that takes everything."""
    return Scripts()


@pytest.fixture
def store(scripts: Scripts) -> RedisSessionStore:
    """Return the store in it."""
    return RedisSessionStore(scripts, Lifetime(idle=10, longest=100, renew=5, grace=1))


def test_a_token_cannot_be_guessed_and_is_not_sent_to_redis(
    scripts: Scripts, store: RedisSessionStore
) -> None:
    tokens = {store.begin("alice", guest=False) for _ in range(100)}

    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {43}  # 256 bits in base64
    assert not [token for token in tokens if token in str(scripts.calls)]
    source, keys, arguments = scripts.calls[0]
    assert source == BEGIN
    assert keys[0] in {f"session:{session_id(token)}" for token in tokens}
    assert keys[1] == "sessions:alice"
    assert arguments == [keys[0].removeprefix("session:"), "alice", "user", 10, 100, 50]


def test_only_who_can_take_another_token_is_given_one(
    scripts: Scripts, store: RedisSessionStore
) -> None:
    scripts.answer = ["alice", "user", 90, 0]
    assert store.use("token", renew=False) == UsedSession("alice", False, 90, None)
    scripts.answer = ["guest-1", "guest", 90, 1]
    used = store.use("token", renew=True)

    assert used is not None
    assert (used.owner, used.guest, used.seconds_left) == ("guest-1", True, 90)
    (_, _, kept), (source, keys, arguments) = scripts.calls
    assert (kept[4], arguments[4]) == (0, 5)
    assert source == USE
    assert used.renewed
    assert keys == [f"session:{session_id('token')}", f"session:{session_id(used.renewed)}"]
    assert arguments[:2] == [session_id("token"), session_id(used.renewed)]


def test_a_session_that_is_not_there_is_none(scripts: Scripts, store: RedisSessionStore) -> None:
    assert store.use("token", renew=True) is None
    scripts.answer = 0
    assert store.end("token") is False
    scripts.answer = 1
    assert store.end("token") is True
    assert scripts.calls[-1] == (END, [f"session:{session_id('token')}"], [session_id("token")])
    scripts.answer = 3
    assert store.end_all("alice") == 3
    assert scripts.calls[-1][1] == ["sessions:alice"]
