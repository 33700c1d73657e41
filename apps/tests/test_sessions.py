"""Who somebody is: a session is found by its token, which is kept nowhere."""

from hashlib import sha256

import pytest

from skillupworks.runtime.redis import RedisPool
from skillupworks.shop.sessions import RedisSessions, Session


class Hashes(RedisPool):
    """The hashes that sessions are, in memory."""

    def __init__(self, hashes: dict[str, dict[str, str]]) -> None:
        self._hashes = hashes

    def hash(self, key: str) -> dict[str, str]:
        return self._hashes.get(key, {})


def test_a_session_is_found_by_its_token_which_is_kept_nowhere() -> None:
    key = f"session:{sha256(b'secret').hexdigest()}"
    sessions = RedisSessions(Hashes({key: {"owner": "alice", "kind": "user"}}))

    assert sessions.find("secret") == Session("alice", guest=False)
    assert sessions.find("other") is None
    assert sessions.find("") is None


@pytest.mark.parametrize(
    ("fields", "session"),
    [
        ({"owner": "guest-1", "kind": "guest"}, Session("guest-1", guest=True)),
        ({"owner": "alice"}, Session("alice", guest=False)),
        ({"owner": ""}, None),
        ({"kind": "guest"}, None),
    ],
)
def test_a_session_says_whose_it_is(fields: dict[str, str], session: Session | None) -> None:
    key = f"session:{sha256(b'secret').hexdigest()}"

    assert RedisSessions(Hashes({key: fields})).find("secret") == session
