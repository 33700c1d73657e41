"""Who somebody is: a session is found by its token, which is kept nowhere.

And what of a browser's requests counts as meant by its user.
"""

from hashlib import sha256

import pytest
from starlette.requests import Request

from skillupworks.runtime.problems import ProblemError
from skillupworks.runtime.redis import RedisPool
from skillupworks.shop.sessions import RedisSessions, Session, refuse_forgery


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


def request(method: str, **headers: str) -> Request:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": method, "path": "/", "headers": pairs})


PAGE = {"host": "shop.example:8443", "x_requested_with": "shop"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec_fetch_site": "same-origin"},
        {"origin": "https://shop.example:8443"},
        {"origin": "https://Shop.Example:8443"},
        {"sec_fetch_site": "same-origin", "origin": "https://shop.example:8443"},
        # a proxy may give a request another Host; what the browser says outright counts
        {"sec_fetch_site": "same-origin", "origin": "https://shop.example", "host": "10.0.0.5"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_the_shops_own_page_sends_is_meant(method: str, headers: dict[str, str]) -> None:
    refuse_forgery(request(method, **PAGE | headers))


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({"x_requested_with": ""}, "X-Requested-With"),
        ({"sec_fetch_site": "cross-site"}, "Sec-Fetch-Site"),
        ({"sec_fetch_site": "same-site"}, "Sec-Fetch-Site"),
        ({"sec_fetch_site": "none"}, "Sec-Fetch-Site"),
        ({"sec_fetch_site": "cross-site", "origin": "https://shop.example:8443"}, "Sec-Fetch-Site"),
        ({"origin": "https://evil.example"}, "Origin"),
        ({"origin": "https://shop.example:8443.evil.example"}, "Origin"),
        ({"origin": "https://shop.example"}, "Origin"),
        ({"origin": "null"}, "Origin"),
        ({"origin": ""}, "Origin"),
        ({"origin": "https://[shop"}, "Origin"),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_another_site_made_a_browser_send_is_refused(
    method: str, headers: dict[str, str], field: str
) -> None:
    with pytest.raises(ProblemError) as caught:
        refuse_forgery(request(method, **PAGE | headers))

    assert caught.value.status == 403
    assert [error.field for error in caught.value.errors] == [field]


def test_what_changes_nothing_needs_no_proof() -> None:
    refuse_forgery(request("GET", host="shop.example", sec_fetch_site="cross-site"))
