"""Who a request of the user service is from, and how a session gets to its owner."""

from typing import Protocol

from fastapi import Request, Response

from skillupworks.runtime.client_address import TrustedProxies
from skillupworks.shop.session_cookies import SessionCookies
from skillupworks.shop.session_store import UsedSession
from skillupworks.shop.sessions import (
    GUEST,
    GUEST_COOKIE,
    SESSION_COOKIE,
    USER,
    Credentials,
    Presented,
    no_session,
    refuse_forgery,
)
from skillupworks.shop.user_model import Delivery, SessionAnswer

__all__ = ["SessionUse", "Visitors", "accept", "tokens_of"]


class SessionUse(Protocol):
    """Where sessions are found; may raise StoreUnavailableError."""

    def use(self, token: str, *, renew: bool) -> UsedSession | None:
        """Return the session of a token and put its end off; None when there is none, or no longer.

        With `renew`, for whoever can take another token, an old one is replaced.
        """


class Visitors:
    """The addresses and sessions of requests; `address` and `session` are dependencies."""

    def __init__(
        self, sessions: SessionUse, cookies: SessionCookies, proxies: TrustedProxies
    ) -> None:
        self._sessions = sessions
        self._cookies = cookies
        self._proxies = proxies

    def address(self, request: Request) -> str:
        """Return the address that the request comes from."""
        return self._proxies.client(request)

    def session(self, response: Response, presented: Credentials) -> UsedSession:
        """Return the session of the request; ProblemError 401 when there is none."""
        found = None
        if presented is not None:
            found = self._sessions.use(presented.token, renew=presented.by_cookie)
        if found is None:
            raise no_session()
        if found.renewed:
            self._cookies.give(
                response, found.renewed, guest=found.guest, seconds=found.seconds_left
            )
        return found

    def welcome(
        self, response: Response, owner: str, token: str, delivery: Delivery, *, guest: bool
    ) -> SessionAnswer:
        """Return the answer that begins a session, and hand its token over."""
        response.headers["Cache-Control"] = "no-store"
        by_cookie = delivery is Delivery.COOKIE
        if by_cookie:
            self._cookies.give(response, token, guest=guest)
        kind = GUEST if guest else USER
        return SessionAnswer(id=owner, kind=kind, token=None if by_cookie else token)

    def forget_user(self, response: Response) -> None:
        """Delete the cookie of a customer."""
        self._cookies.take(response, SESSION_COOKIE)

    def forget(self, response: Response) -> None:
        """Delete all cookies."""
        self._cookies.take(response, SESSION_COOKIE, GUEST_COOKIE)


def accept(request: Request, delivery: Delivery) -> None:
    """Refuse to give a cookie to a browser that another site sent, to be somebody of its choice."""
    if delivery is Delivery.COOKIE:
        refuse_forgery(request)


def tokens_of(presented: Presented) -> set[str]:
    """Return all tokens that a request came with."""
    return {presented.token, presented.guest_token or presented.token}
