"""Placing orders as a customer does: over HTTP."""

import uuid
from collections import Counter
from typing import Any

import httpx

from tests.helpers.waiting import wait_until

PORT = 8084
PROCESSED_WITHIN_SECONDS = 30.0

Json = dict[str, Any]


def order_of(*skus: str, shipping: bool = False) -> Json:
    """Return the body of an order: one item per product, its quantity is how often it is named."""
    body: Json = {
        "sessionId": f"user-session-{uuid.uuid4().hex[:8]}",
        "userId": "507f1f77bcf86cd799439011",
        "items": [{"sku": sku, "quantity": count} for sku, count in Counter(skus).items()],
    }
    return body | ({"shipping": {"method": "standard"}} if shipping else {})


class Shop:
    """The payment service, spoken to from this machine."""

    def __init__(self, address: str) -> None:
        # A connection for each request: a kept one would not survive a restart of the service.
        self._client = httpx.Client(
            base_url=f"http://{address}:{PORT}",
            timeout=20,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def post(self, body: Json | bytes, key: str | None = "") -> httpx.Response:
        """Send an order; an empty key stands for a new one, None for no Idempotency-Key at all."""
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key or str(uuid.uuid4())
        if isinstance(body, bytes):
            return self._client.post("/payments", content=body, headers=headers)
        return self._client.post("/payments", json=body, headers=headers)

    def get(self, path: str) -> httpx.Response:
        """Ask for something."""
        return self._client.get(path)

    def request(self, method: str, path: str) -> httpx.Response:
        """Send a request without a body."""
        return self._client.request(method, path)

    def place(self, *skus: str, shipping: bool = False) -> Json:
        """Place an order that must be accepted; return the answer."""
        answer = self.post(order_of(*(skus or ("Linux",)), shipping=shipping))
        assert answer.status_code == httpx.codes.CREATED, answer.text
        body: Json = answer.json()
        return body

    def state(self, order_id: str) -> str:
        """Return how far an order is."""
        answer = self.get(f"/orders/{order_id}")
        assert answer.status_code == httpx.codes.OK, answer.text
        return str(answer.json()["state"])

    def wait_until_processed(
        self, *order_ids: str, seconds: float = PROCESSED_WITHIN_SECONDS
    ) -> None:
        """Return when all these orders are processed."""
        for order_id in order_ids:
            wait_until(
                f"order {order_id} is processed",
                lambda order_id=order_id: self.state(order_id) == "processed",  # type: ignore[misc]
                seconds,
            )

    def buy(self, *skus: str, shipping: bool = False) -> Json:
        """Place an order and return the answer once the order is processed."""
        answer = self.place(*skus, shipping=shipping)
        self.wait_until_processed(answer["orderId"])
        return answer

    def close(self) -> None:
        """Close what is open."""
        self._client.close()
