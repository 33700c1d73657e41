"""What people do in the shop, and how each request of theirs is judged and counted."""

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from time import monotonic
from typing import Any
from uuid import uuid4

from locust.contrib.fasthttp import FastHttpSession

__all__ = ["ShopError", "Shoppers"]

BROWSE, CART, BUY = "browse", "cart", "buy"
SHARES = {BROWSE: 80, CART: 15, BUY: 5}
# the session of somebody is used by several visits at a time; one address may begin no more
# than some hundred of them
GUESTS = 100
WORDS = ("linux", "server", "python", "network", "cloud", "test")
# a cart takes 99 of a product; it is emptied long before
FULL = 20
# Bengaluru, Mumbai, Delhi, Kolkata
CITIES = (1277333, 1275339, 1273294, 1275004)
GRAMS = (400, 640, 1200)
# the gateway's test card that is charged
CARD = {"number": "4242 4242 4242 4242"}
PATIENCE_SECONDS = 30

Json = dict[str, Any]


class ShopError(Exception):
    """The shop cannot be loaded at all; the message is for the person."""


@dataclass
class _Guest:
    owner: str
    token: str
    added: int = field(default=0)


class Shoppers:
    """People with a guest's session each; `visit` is one of them coming by.

    Every request is reported to Locust's statistics by its service. The first one of a visit is
    timed from when the visit was planned: what waits because the shop, or this program, is behind
    counts.
    """

    def __init__(self, client: FastHttpSession, random: Random) -> None:
        self._client = client
        self._random = random
        self._guests: list[_Guest] = []
        self._skus: list[str] = []
        self._categories: list[str] = []
        # order → token of its owner; of orders that the shop has taken
        self.orders: dict[str, str] = {}

    def arrive(self) -> None:
        """Learn what is sold, and begin the sessions; ShopError when that is not possible."""
        products = self._must("GET", "/api/catalogue/products?limit=100")["products"]
        self._skus = [product["sku"] for product in products]
        categories = self._must("GET", "/api/catalogue/categories")["categories"]
        self._categories = [category["slug"] for category in categories]
        for _ in range(GUESTS):
            guest = self._must("POST", "/api/user/guests", {"delivery": "token"})
            self._guests.append(_Guest(guest["id"], guest["token"]))

    def visit(self, planned: float) -> None:
        """Do one of the things that people do; it was to begin at `planned` (monotonic)."""
        (kind,) = self._random.choices(list(SHARES), list(SHARES.values()))
        if kind == BROWSE:
            self._browse(planned)
        elif kind == CART:
            self._fill_cart(planned)
        else:
            self._buy(planned)

    def state(self, order_id: str) -> str:
        """Return how far an order is; what is wrong with the answer when there is none."""
        token = self.orders[order_id]
        answer = self._send("GET", f"/api/payment/orders/{order_id}", token=token)
        if answer.status_code != HTTPStatus.OK:
            return f"status {answer.status_code}"
        return str(json.loads(answer.content)["state"])

    def _browse(self, planned: float) -> None:
        path = self._random.choices(
            (
                f"/products/{self._random.choice(self._skus)}",
                f"/products?category={self._random.choice(self._categories)}",
                f"/products?q={self._random.choice(WORDS)}",
                "/products",
                "/categories",
            ),
            (40, 20, 10, 20, 10),
        )[0]
        self._ask("GET", f"/api/catalogue{path}", planned)

    def _fill_cart(self, planned: float) -> None:
        guest = self._random.choice(self._guests)
        cart = f"/api/cart/carts/{guest.owner}"
        guest.added += 1
        if guest.added >= FULL:
            guest.added = 0
            self._ask("DELETE", cart, planned, token=guest.token)
        else:
            item = {"sku": self._random.choice(self._skus), "quantity": 1}
            self._ask("POST", f"{cart}/items", planned, item, guest.token)
        self._ask("GET", cart, monotonic(), token=guest.token)

    def _buy(self, planned: float) -> None:
        guest = self._random.choice(self._guests)
        city = self._random.choice(CITIES)
        skus = self._random.sample(self._skus, self._random.randint(1, 3))
        order = {
            "items": [{"sku": sku, "quantity": 1} for sku in skus],
            "sessionId": f"user-session-{uuid4().hex[:8]}",
            "shipping": {"city": city},
            "card": CARD,
        }
        self._ask("GET", "/api/user/users/me", planned, token=guest.token)
        quote = f"/api/shipping/quotes?city={city}&weight={self._random.choice(GRAMS)}"
        self._ask("GET", quote, monotonic())
        answer = self._ask(
            "POST", "/api/payment/payments", monotonic(), order, guest.token, str(uuid4())
        )
        # 202: the bank has not answered yet
        if answer.status_code in (HTTPStatus.CREATED, HTTPStatus.ACCEPTED):
            self.orders[json.loads(answer.content)["orderId"]] = guest.token

    def _ask(  # noqa: PLR0913, PLR0917 - a request's parts
        self,
        method: str,
        path: str,
        planned: float,
        body: Json | None = None,
        token: str = "",
        key: str = "",
    ) -> Any:  # noqa: ANN401 - Locust's answer
        """Send a request that counts."""
        with self._send(method, path, body, token, key, catch_response=True) as answer:
            answer.request_meta["response_time"] = (monotonic() - planned) * 1000
            if HTTPStatus.OK <= answer.status_code < HTTPStatus.MULTIPLE_CHOICES:
                answer.success()
            else:
                answer.failure(_reason(answer))
        return answer

    def _must(self, method: str, path: str, body: Json | None = None) -> Json:
        answer = self._send(method, path, body)
        if answer.status_code not in (HTTPStatus.OK, HTTPStatus.CREATED):
            text = (answer.content or b"").decode(errors="replace")[:300]
            raise ShopError(f"{method} {path}: {_reason(answer)} {text}".rstrip())
        found: Json = json.loads(answer.content)
        return found

    def _send(  # noqa: PLR0913 - a request's parts
        self,
        method: str,
        path: str,
        body: Json | None = None,
        token: str = "",
        key: str = "",
        *,
        catch_response: bool = False,
    ) -> Any:  # noqa: ANN401 - Locust's answer
        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Idempotency-Key": key} if key else {}
        return self._client.request(
            method,
            path,
            name=path.split("/")[2],
            data=None if body is None else json.dumps(body),
            headers=headers,
            catch_response=catch_response,
        )


def _reason(answer: Any) -> str:  # noqa: ANN401 - Locust's answer
    """Return the status, or why there is no answer."""
    return f"status {answer.status_code}" if answer.status_code else str(answer.error)
