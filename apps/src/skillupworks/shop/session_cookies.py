"""Tokens in a browser's cookies."""

from fastapi import Response

from skillupworks.shop.sessions import GUEST_COOKIE, SESSION_COOKIE

__all__ = ["SessionCookies"]


class SessionCookies:
    """Gives cookies to a browser, and takes them back.

    HttpOnly: no script can read them. SameSite=Lax: they come along when somebody follows a link
    to the shop, and not with what another site posts. `secure`: they never go over plain HTTP; only
    a shop without TLS turns that off. They last as long as the session can, at most `seconds`; that
    it ends earlier when it is not used is known to the server alone.
    """

    def __init__(self, *, secure: bool, seconds: int) -> None:
        self._secure = secure
        self._seconds = seconds

    def give(
        self, response: Response, token: str, *, guest: bool, seconds: int | None = None
    ) -> None:
        """Put a token into its cookie, for as many seconds as are left of its session."""
        response.set_cookie(
            GUEST_COOKIE if guest else SESSION_COOKIE,
            token,
            max_age=self._seconds if seconds is None else seconds,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )

    def take(self, response: Response, *names: str) -> None:
        """Delete cookies."""
        for name in names:
            response.delete_cookie(
                name, path="/", secure=self._secure, httponly=True, samesite="lax"
            )
