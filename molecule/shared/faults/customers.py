"""Customers who order at a steady rate, whatever happens to the shop."""

import heapq
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from threading import Condition, Thread

import httpx

from faults.ledger import Ledger
from tests.helpers.shop import Json, Shop, order_of

RATE = 20.0
# more than one request can hang for as long as the client waits; the others must go on meanwhile
CLIENTS = 24
PATIENCE_SECONDS = 240.0
# a client without an answer asks again after about so long, unless it is told when
PAUSE_SECONDS = 0.5
TRY_AGAIN = (
    # not decided yet: the same request asks what became of it
    httpx.codes.ACCEPTED,
    httpx.codes.TOO_MANY_REQUESTS,
    httpx.codes.BAD_GATEWAY,
    httpx.codes.SERVICE_UNAVAILABLE,
    httpx.codes.GATEWAY_TIMEOUT,
)
PRODUCTS = ("Linux", "Shell", "Git", "Python", "Ansible")


@dataclass(order=True)
class _Attempt:
    """An order to be sent at `due`; the body and key are the same each time."""

    due: float
    number: int
    key: str = field(compare=False)
    body: Json = field(compare=False)
    count: int = field(compare=False, default=1)


class Customers:
    """An open loop: an order is sent when it is due, whether or not earlier ones were answered.

    Each is sent again, with the same Idempotency-Key, until it is paid; a Retry-After is obeyed.
    They pay with `cards`, one drawn for each order; none of these may be declined. The ledger gets
    a line for what was wanted, what was answered, and what came instead.
    """

    def __init__(
        self, shop: Shop, ledger: Ledger, prefix: str, random: Random, cards: Sequence[str]
    ) -> None:
        self._shop = shop
        self._ledger = ledger
        self._prefix = prefix
        self._random = random
        self._pause = 1 / RATE
        self._cards = cards
        self._changed = Condition()
        self._waiting: list[_Attempt] = []
        self._sending = 0
        self._open = True
        self._deadline = float("inf")
        self._clients = [
            Thread(target=self._run, name=f"client-{number}") for number in range(CLIENTS)
        ]

    def start(self) -> None:
        """Begin to order."""
        self._plan(1, time.time())
        for client in self._clients:
            client.start()

    def stop(self, patience: float = PATIENCE_SECONDS) -> None:
        """Order nothing more; return when each order has its answer, or patience ends."""
        with self._changed:
            self._open = False
            self._deadline = time.time() + patience
            self._changed.notify_all()
        for client in self._clients:
            client.join()

    def _run(self) -> None:
        while attempt := self._next():
            with self._sent():
                self._send(attempt)

    def _next(self) -> _Attempt | None:
        """Return an order once it is due; None when nothing more will come."""
        with self._changed:
            while (now := time.time()) < self._deadline:
                if not self._waiting:
                    if not self._open and not self._sending:
                        return None
                    self._changed.wait()
                elif (due := self._waiting[0].due) > now:
                    self._changed.wait(min(due, self._deadline) - now)
                else:
                    attempt = heapq.heappop(self._waiting)
                    if attempt.count == 1 and not self._begin(attempt):
                        continue
                    self._sending += 1
                    return attempt
        return None

    def _begin(self, attempt: _Attempt) -> bool:
        """Note an order that is sent for the first time, and plan the one after it."""
        if not self._open:
            return False
        self._ledger.note("planned", attempt.key, due=attempt.due)
        self._plan(attempt.number + 1, attempt.due + self._pause)
        return True

    def _plan(self, number: int, due: float) -> None:
        skus = self._random.choices(PRODUCTS, k=self._random.randint(1, 3))
        card = self._random.choice(self._cards)
        self._add(_Attempt(due, number, f"{self._prefix}-{number}", order_of(*skus, card=card)))

    def _add(self, attempt: _Attempt) -> None:
        with self._changed:
            heapq.heappush(self._waiting, attempt)
            self._changed.notify_all()

    @contextmanager
    def _sent(self) -> Iterator[None]:
        try:
            yield
        finally:
            with self._changed:
                self._sending -= 1
                self._changed.notify_all()

    def _send(self, attempt: _Attempt) -> None:
        try:
            answer = self._shop.post(attempt.body, key=attempt.key)
        except httpx.TransportError as error:
            self._put_off(attempt, type(error).__name__, None)
            return
        if answer.status_code in TRY_AGAIN:
            told = answer.headers.get("retry-after")
            self._put_off(attempt, str(answer.status_code), told)
        elif answer.is_success:
            self._ledger.note("accepted", attempt.key, order_id=answer.json()["orderId"])
        else:
            self._ledger.note("refused", attempt.key, answer=f"{answer.status_code} {answer.text}")

    def _put_off(self, attempt: _Attempt, reason: str, told: str | None) -> None:
        reason += " with Retry-After" if told else ""
        self._ledger.note("put off", attempt.key, reason=reason, attempt=attempt.count)
        with self._changed:
            pause = (float(told) if told else 0) + PAUSE_SECONDS * self._random.uniform(0.5, 1.5)
        attempt.due, attempt.count = time.time() + pause, attempt.count + 1
        self._add(attempt)
