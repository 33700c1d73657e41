"""The HTTP interface of the user service."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from prometheus_client import CollectorRegistry

from skillupworks.runtime.health import Readiness
from skillupworks.runtime.http_app import add_facts, create_http_app
from skillupworks.runtime.problems import ProblemError, responses
from skillupworks.shop.accounts import Accounts
from skillupworks.shop.session_store import UsedSession
from skillupworks.shop.sessions import Credentials, no_session
from skillupworks.shop.user_model import (
    DeletionRequest,
    GuestRequest,
    LoginRequest,
    RegistrationRequest,
    SessionAnswer,
    UserAnswer,
)
from skillupworks.shop.visitors import Visitors, accept, tokens_of

__all__ = ["create_app"]

PROBLEMS = responses(HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE)
BODY_PROBLEMS = responses(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
# who has a session may say so, and who has none is let in as well
OPEN: dict[str, Any] = {"security": [{}]}
# to a browser that another site may have sent
FORGERY = responses(HTTPStatus.FORBIDDEN)


def create_app(
    accounts: Accounts, visitors: Visitors, readiness: Readiness, registry: CollectorRegistry
) -> FastAPI:
    """Return the application; it holds no connection of its own and can be made many times."""
    app = create_http_app(
        title="SkillUpWorks user",
        summary="Knows who somebody is.",
        description="A browser has its session in a cookie, and sends `X-Requested-With` with what"
        " changes something; a program sends `Authorization: Bearer`.",
        readiness=readiness,
        registry=registry,
    )
    _add_accounts(app, accounts, visitors)
    _add_sessions(app, accounts, visitors)
    return app


def _add_accounts(app: FastAPI, accounts: Accounts, visitors: Visitors) -> None:
    Address = Annotated[str, Depends(visitors.address)]  # noqa: N806 - a type
    Used = Annotated[UsedSession, Depends(visitors.session)]  # noqa: N806 - the same

    @app.post(
        "/users",
        status_code=HTTPStatus.CREATED,
        summary="Register",
        responses=BODY_PROBLEMS | responses(HTTPStatus.CONFLICT),
    )
    def register(request: Request, address: Address, body: RegistrationRequest) -> UserAnswer:
        """Make an account; 409 when the address has one. It is not logged in by that."""
        password = body.password.get_secret_value()
        account = accounts.register(body.email, body.name, password, address)
        add_facts(request, user_id=account.account_id, outcome="registered")
        return UserAnswer.of(account)

    @app.get("/users/me", summary="Say who is asking", responses=PROBLEMS)
    def show_me(request: Request, response: Response, used: Used) -> UserAnswer:
        """Return the account or the guest of the session, and put the session's end off.

        A browser's token that is old is replaced by this.
        """
        response.headers["Cache-Control"] = "no-store"
        add_facts(request, user_id=used.owner)
        if used.guest:
            return UserAnswer.of_guest(used.owner)
        return UserAnswer.of(accounts.show(used.owner))

    @app.delete(
        "/users/me",
        status_code=HTTPStatus.NO_CONTENT,
        summary="Delete the account",
        responses=BODY_PROBLEMS | PROBLEMS | FORGERY | responses(HTTPStatus.NOT_FOUND),
    )
    def delete_me(
        request: Request, response: Response, address: Address, used: Used, body: DeletionRequest
    ) -> None:
        """Delete the account and end all of its sessions; 403 with a wrong password.

        Its orders stay, with the addresses that they were sent to. A guest has no account.
        """
        if used.guest:
            raise ProblemError(HTTPStatus.NOT_FOUND, "A guest has no account")
        accounts.delete(used.owner, body.password.get_secret_value(), address)
        visitors.forget(response)
        add_facts(request, user_id=used.owner, outcome="deleted")


def _add_sessions(app: FastAPI, accounts: Accounts, visitors: Visitors) -> None:
    Address = Annotated[str, Depends(visitors.address)]  # noqa: N806 - a type

    @app.post(
        "/sessions",
        status_code=HTTPStatus.CREATED,
        summary="Log in",
        responses=BODY_PROBLEMS | PROBLEMS | FORGERY,
        openapi_extra=OPEN,
    )
    def log_in(
        request: Request,
        response: Response,
        address: Address,
        presented: Credentials,
        body: LoginRequest,
    ) -> SessionAnswer:
        """Begin a session with a new token. What a browser was logged in as before has ended.

        A guest's cookie stays, so that the guest's cart can be taken over.
        """
        accept(request, body.delivery)
        password = body.password.get_secret_value()
        user_id, token = accounts.log_in(body.email, password, address)
        if presented and presented.by_cookie and presented.token != presented.guest_token:
            accounts.log_out(presented.token)
        add_facts(request, user_id=user_id, outcome="logged_in")
        return visitors.welcome(response, user_id, token, body.delivery, guest=False)

    @app.delete(
        "/sessions/current",
        status_code=HTTPStatus.NO_CONTENT,
        summary="Log out",
        responses=PROBLEMS | FORGERY,
    )
    def log_out(request: Request, response: Response, presented: Credentials) -> None:
        """End the session, and of a browser also the guest's; the second time nothing happens."""
        if presented is None:
            raise no_session()
        for token in tokens_of(presented):
            accounts.log_out(token)
        if presented.by_cookie:
            visitors.forget(response)
        add_facts(request, outcome="logged_out")

    @app.post(
        "/guests",
        status_code=HTTPStatus.CREATED,
        summary="Begin as a guest",
        responses=BODY_PROBLEMS | FORGERY,
        openapi_extra=OPEN,
    )
    def begin_guest(
        request: Request,
        response: Response,
        address: Address,
        presented: Credentials,
        body: GuestRequest,
    ) -> SessionAnswer:
        """Begin a session of somebody without an account, who can have a cart and buy.

        What a browser was logged in as before has ended.
        """
        accept(request, body.delivery)
        guest_id, token = accounts.begin_guest(address)
        if presented and presented.by_cookie:
            for old in tokens_of(presented):
                accounts.log_out(old)
            visitors.forget_user(response)
        add_facts(request, user_id=guest_id, outcome="guest")
        return visitors.welcome(response, guest_id, token, body.delivery, guest=True)
