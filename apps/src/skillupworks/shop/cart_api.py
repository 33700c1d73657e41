"""The HTTP interface of the cart."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, FastAPI, Path, Request
from prometheus_client import CollectorRegistry

from skillupworks.runtime.health import Readiness
from skillupworks.runtime.http_app import add_facts, create_http_app
from skillupworks.runtime.problems import ProblemError, responses
from skillupworks.shop.cart_model import (
    CartAnswer,
    ItemRequest,
    MergeRequest,
    QuantityRequest,
    ShippingRequest,
)
from skillupworks.shop.cart_store import Shipping
from skillupworks.shop.carts import Carts
from skillupworks.shop.sessions import Credentials, Presented, SessionStore, no_session

__all__ = ["create_app"]

SHOW_PROBLEMS = responses(
    HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE
)
# only what changes something is refused to a browser that another site may have sent
PROBLEMS = SHOW_PROBLEMS | responses(HTTPStatus.FORBIDDEN)
BODY_PROBLEMS = PROBLEMS | responses(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)


AnyId = Annotated[str, Path(alias="id", description="The `owner` of the customer's session")]
LineSku = Annotated[str, Path(alias="sku", examples=["Linux"])]


def create_app(
    carts: Carts, sessions: SessionStore, readiness: Readiness, registry: CollectorRegistry
) -> FastAPI:
    """Return the application; a cart's id is the id of its owner, who alone can reach it."""
    app = create_http_app(
        title="SkillUpWorks cart",
        summary="Holds what customers are about to buy.",
        description="Amounts named `total` and `price` are rupees, `totalMinor` and `priceMinor`"
        " are the same in paise. Prices are the catalogue's at the time of the answer.",
        readiness=readiness,
        registry=registry,
    )

    CartId = Annotated[str, Depends(_own(sessions))]  # noqa: N806 - a type

    @app.get("/carts/{id}", summary="Show a cart", responses=SHOW_PROBLEMS)
    def show_cart(cart_id: CartId) -> CartAnswer:
        """Return the cart; one that nothing was put into is empty.

        While the catalogue is away, lines have no price and a note instead.
        """
        return carts.show(cart_id)

    @app.delete(
        "/carts/{id}",
        summary="Empty a cart",
        status_code=HTTPStatus.NO_CONTENT,
        responses=PROBLEMS,
    )
    def delete_cart(request: Request, cart_id: CartId) -> None:
        """Delete the cart, with where it is to be shipped to."""
        carts.delete(cart_id)
        add_facts(request, outcome="deleted")

    @app.post("/carts/{id}/items", summary="Put a product into a cart", responses=BODY_PROBLEMS)
    def add_item(request: Request, cart_id: CartId, body: ItemRequest) -> CartAnswer:
        """Add to what is there of the product. To set a quantity, which may be repeated, use PATCH.

        A product that is not sold, and what is beyond 99 of a product or 50 products, is refused.
        """
        answer = carts.add(cart_id, body.sku, body.quantity)
        add_facts(request, sku=body.sku, outcome="added")
        return answer

    @app.patch("/carts/{id}/items/{sku}", summary="Set a quantity", responses=BODY_PROBLEMS)
    def change_item(
        request: Request, cart_id: CartId, sku: LineSku, body: QuantityRequest
    ) -> CartAnswer:
        """Set how many of a product there are; 404 when there are none."""
        answer = carts.change(cart_id, sku, body.quantity)
        add_facts(request, sku=sku, outcome="changed")
        return answer

    @app.delete("/carts/{id}/items/{sku}", summary="Remove a product", responses=PROBLEMS)
    def remove_item(request: Request, cart_id: CartId, sku: LineSku) -> CartAnswer:
        """Take a product out of the cart; the second time nothing happens."""
        answer = carts.remove(cart_id, sku)
        add_facts(request, sku=sku, outcome="removed")
        return answer

    @app.put("/carts/{id}/shipping", summary="Say where to ship to", responses=BODY_PROBLEMS)
    def ship(request: Request, cart_id: CartId, body: ShippingRequest) -> CartAnswer:
        """Remember the city and the method; the shipping service says what it costs."""
        answer = carts.ship(cart_id, Shipping(body.city, body.method))
        add_facts(request, outcome="shipped")
        return answer

    @app.post("/carts/{id}/merge", summary="Take a guest's cart over", responses=BODY_PROBLEMS)
    def merge(
        request: Request, cart_id: CartId, presented: Credentials, body: MergeRequest
    ) -> CartAnswer:
        """Move the content of a guest's cart into this one, after login.

        Quantities are added up. What is beyond the limits is left out and named in `notes`. The
        guest's cart is empty afterwards: the second time nothing happens. A browser, which cannot
        read the guest's token, sends `{}`: the token is in a cookie.
        """
        token = body.guest_token or (presented.guest_token if presented else None)
        guest_id = _guest(sessions, token, cart_id)
        answer = carts.merge(cart_id, guest_id)
        add_facts(request, guest_id=guest_id, outcome="merged")
        return answer

    return app


def _own(sessions: SessionStore) -> Callable[[str, Presented | None], str]:
    def own(cart_id: AnyId, presented: Credentials) -> str:
        """Return the cart's id; 404 unless it is the customer's own, whether it is there or not."""
        session = sessions.find(presented.token) if presented else None
        if session is None:
            raise no_session()
        if session.owner != cart_id:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"There is no cart {cart_id}")
        return cart_id

    return own


def _guest(sessions: SessionStore, token: str | None, cart_id: str) -> str:
    """Return the id of the guest whose session it is; nobody else's cart is taken over."""
    session = sessions.find(token) if token else None
    if session is None or not session.guest or session.owner == cart_id:
        message = "must be the token of a guest's session that has not ended"
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"guestToken: {message}",
            errors=[("guestToken", message)],
        )
    return session.owner
