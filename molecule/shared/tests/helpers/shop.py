"""Placing orders as a customer does: over HTTP, with a session and a card."""

import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tests.helpers.waiting import wait_until

PORT = 8084
USER_PORT = 8082
PROCESSED_WITHIN_SECONDS = 30.0
# longer than the gateway's time-out and the settler's next round
DECIDED_WITHIN_SECONDS = 90.0

# Cards of the simulated gateway: charged, declined, charged without an answer, decided later.
CHARGED = "4242 4242 4242 4242"
DECLINED = "4000 0000 0000 0002"
UNANSWERED = "4000 0000 0000 0119"
DECIDED_LATER = "4000 0000 0000 3220"

Json = dict[str, Any]

MUMBAI = 1275339
ADDRESS: Json = {
    "name": "Asha Rao",
    "street": "12 Hill Road, “Sea View”",
    "postalCode": "400050",
    "phone": "+91 98200 12345",
}


def order_of(*skus: str, shipping: bool = False, card: str = CHARGED) -> Json:
    """Return the body of an order: one item per product, its quantity is how often it is named."""
    body: Json = {
        "sessionId": f"user-session-{uuid.uuid4().hex[:8]}",
        "items": [{"sku": sku, "quantity": count} for sku, count in Counter(skus).items()],
        "card": {"number": card},
    }
    return body | ({"shipping": {"method": "standard"}} if shipping else {})


@dataclass(frozen=True)
class Guest:
    """Somebody without an account, who can buy; `id` is the owner of what the guest orders."""

    id: str
    token: str


def begin_guest(address: str) -> Guest:
    """Begin a guest's session at the user service on a host."""
    answer = httpx.post(
        f"http://{address}:{USER_PORT}/guests",
        json={"delivery": "token"},
        timeout=20,
        trust_env=False,
    )
    assert answer.status_code == httpx.codes.CREATED, answer.text
    return Guest(answer.json()["id"], answer.json()["token"])


class Shop:
    """The payment service, spoken to from this machine, by one guest."""

    def __init__(self, payment: str, user: str) -> None:
        """Begin a guest's session; the services are on the hosts with these addresses."""
        self._addresses = (payment, user)
        self.guest = begin_guest(user)
        # A connection for each request: a kept one would not survive a restart of the service.
        self._client = httpx.Client(
            base_url=f"http://{payment}:{PORT}",
            timeout=20,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
            headers=bearer(self.guest.token),
        )

    def another(self) -> "Shop":
        """Return the shop as another guest has it."""
        return Shop(*self._addresses)

    def post(
        self,
        body: Json | bytes,
        key: str | None = "",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send an order; an empty key stands for a new one, None for no Idempotency-Key at all."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        if key is not None:
            sent["Idempotency-Key"] = key or str(uuid.uuid4())
        if isinstance(body, bytes):
            return self._client.post("/payments", content=body, headers=sent)
        return self._client.post("/payments", json=body, headers=sent)

    def pay(
        self, body: Json, key: str = "", seconds: float = DECIDED_WITHIN_SECONDS
    ) -> httpx.Response:
        """Send an order again and again until it is decided; return that answer, whatever it is."""
        key = key or str(uuid.uuid4())

        def decided() -> list[httpx.Response]:
            answer = self.post(body, key=key)
            return [] if answer.status_code == httpx.codes.ACCEPTED else [answer]

        (answer,) = wait_until("the order is decided", decided, seconds)
        return answer

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Ask for something."""
        return self._client.get(path, headers=headers)

    def request(self, method: str, path: str) -> httpx.Response:
        """Send a request without a body."""
        return self._client.request(method, path)

    def place(self, *skus: str, shipping: bool = False) -> Json:
        """Place an order that must be paid; return the answer."""
        answer = self.pay(order_of(*(skus or ("Linux",)), shipping=shipping))
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


def bearer(token: str) -> dict[str, str]:
    """Return the header that makes a request that of a session."""
    return {"Authorization": f"Bearer {token}"}
