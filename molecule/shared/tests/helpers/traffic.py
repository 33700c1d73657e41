"""Customers who go on buying while something breaks."""

import uuid
from threading import Event, Thread
from types import TracebackType
from typing import Self

import httpx

from tests.helpers.shop import Shop, order_of
from tests.helpers.waiting import wait_until

# As a good client does: the same request with the same key, until there is an answer.
RETRIED = (httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT)
PAUSE_SECONDS = 0.1
PATIENCE = 600


class Customers:
    """Place one order after the other in the background, from entering to leaving the block."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._closing = Event()
        self._thread = Thread(target=self._buy, name="customers")
        # Order ids that were accepted, keys that they were placed with, and what went wrong.
        self.accepted: list[str] = []
        self.keys: list[str] = []
        self.refused: list[str] = []
        self.retries = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join()

    def wait_for_orders(self, number: int, seconds: float = 60) -> None:
        """Return when so many more orders have got an answer."""
        goal = len(self.accepted) + len(self.refused) + number

        def reached() -> bool:
            return len(self.accepted) + len(self.refused) >= goal

        wait_until(f"{number} more orders are answered", reached, seconds)

    def _buy(self) -> None:
        while not self._closing.is_set():
            key = str(uuid.uuid4())
            self.keys.append(key)
            body = order_of("Linux")
            for _ in range(PATIENCE):
                try:
                    answer = self._shop.post(body, key=key)
                except httpx.TransportError:
                    self.retries += 1
                else:
                    if answer.status_code not in RETRIED:
                        self._note(answer)
                        break
                    self.retries += 1
                self._closing.wait(PAUSE_SECONDS)
            else:
                self.refused.append(f"{key}: no answer in {PATIENCE} attempts")
            self._closing.wait(PAUSE_SECONDS)

    def _note(self, answer: httpx.Response) -> None:
        if answer.is_success:
            self.accepted.append(answer.json()["orderId"])
        else:
            self.refused.append(f"{answer.status_code} {answer.text}")
