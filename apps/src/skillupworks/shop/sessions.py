"""Who somebody is: sessions in Redis, which the user service writes and others only read.

A session is the hash `session:<SHA-256 of its token in hex>` with the fields `owner`, the id of the
account or guest, and `kind`, which is `user` or `guest`. It is gone when it has ended. The token
itself is kept nowhere, so that whoever reads the database cannot be anybody.

A program sends the token as `Authorization: Bearer`. A browser has it in a cookie that scripts
cannot read: one of a customer, which is the one that counts, or one of a guest, which stays after
login until the guest's cart has been taken over.

A browser sends cookies with every request, also with one that another site made it send. So where
a cookie says whose request it is, what changes something needs two things besides SameSite=Lax,
which does not stop a neighbour below the same domain:

- the header X-Requested-With, with any value: a form cannot send it, and a script of another
  origin only after a preflight, which no service answers;
- no sign of another origin: Sec-Fetch-Site, which browsers send over TLS and which says it
  outright, must be `same-origin`; without it an Origin must be the Host that was asked. Who sends
  neither is no browser. A proxy has to pass Host on as it came, with the port.

An Authorization header is never sent by itself, and needs none of this.
"""

from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Protocol
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import Headers

from skillupworks.runtime.problems import ProblemError
from skillupworks.runtime.redis import RedisPool

__all__ = [
    "GUEST",
    "GUEST_COOKIE",
    "SESSION_COOKIE",
    "USER",
    "Credentials",
    "Presented",
    "RedisSessions",
    "Session",
    "SessionStore",
    "no_session",
    "refuse_forgery",
    "session_id",
]

GUEST = "guest"
USER = "user"

SESSION_COOKIE = "skillupworks_session"
GUEST_COOKIE = "skillupworks_guest"

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
PROOF = "X-Requested-With"


@dataclass(frozen=True, slots=True)
class Session:
    """Whose session it is."""

    owner: str
    guest: bool


class SessionStore(Protocol):
    """Where sessions are found; may raise StoreUnavailableError."""

    def find(self, token: str) -> Session | None:
        """Return the session of a token, or None."""


class RedisSessions:
    """A SessionStore; thread-safe. Raises StoreUnavailableError."""

    def __init__(self, redis: RedisPool) -> None:
        self._redis = redis

    def find(self, token: str) -> Session | None:
        """Return the session of a token; None when there is none, or no longer."""
        found = self._redis.hash(f"session:{session_id(token)}")
        owner = found.get("owner")
        return Session(owner, guest=found.get("kind") == GUEST) if owner else None


@dataclass(frozen=True, slots=True)
class Presented:
    """The token that a request came with, and what else a browser had to say."""

    token: str
    by_cookie: bool = False
    guest_token: str | None = None


def session_id(token: str) -> str:
    """Return what is kept instead of a token."""
    return sha256(token.encode()).hexdigest()


def _presented(
    request: Request,
    bearer: Annotated[
        HTTPAuthorizationCredentials | None,
        Depends(HTTPBearer(auto_error=False, description="The token of the customer's session")),
    ],
    session: Annotated[
        str | None,
        Depends(APIKeyCookie(name=SESSION_COOKIE, scheme_name="SessionCookie", auto_error=False)),
    ],
    guest: Annotated[
        str | None,
        Depends(APIKeyCookie(name=GUEST_COOKIE, scheme_name="GuestCookie", auto_error=False)),
    ],
) -> Presented | None:
    """Return the token of a request; ProblemError 403 for what a browser may not have meant."""
    if bearer is not None:
        return Presented(bearer.credentials)
    token = session or guest
    if not token:
        return None
    refuse_forgery(request)
    return Presented(token, by_cookie=True, guest_token=guest)


# what a route takes to know who is asking
Credentials = Annotated[Presented | None, Depends(_presented)]


def no_session() -> ProblemError:
    """Return the problem of a request that does not say whose it is."""
    return ProblemError(
        HTTPStatus.UNAUTHORIZED,
        "Authorization: must be `Bearer` and the token of a session that has not ended, unless a"
        " cookie has one",
        headers={"WWW-Authenticate": "Bearer"},
    )


def refuse_forgery(request: Request) -> None:
    """Raise ProblemError 403 unless the request is safe, or meant by the shop's own page."""
    if request.method in SAFE_METHODS:
        return
    if found := _forgery(request.headers):
        field, message = found
        raise ProblemError(HTTPStatus.FORBIDDEN, f"{field}: {message}", errors=[(field, message)])


def _forgery(headers: Headers) -> tuple[str, str] | None:
    """Return the header that is wrong and why, or None."""
    if not headers.get(PROOF):
        return PROOF, "is required where a cookie says whose request it is"
    site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
    if site is not None:
        return None if site == "same-origin" else ("Sec-Fetch-Site", "must be same-origin")
    if origin is not None and _authority(origin) != headers.get("Host", "").lower():
        return "Origin", "must be the host that is asked"
    return None


def _authority(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # brackets that are no IPv6 address
        return ""
