"""Paying for an order, step by step, each of which may be the last one before the process ends.

    begin     the payment is written, with what was asked for; from here on its key has an order
    reserve   the catalogue holds the stock and says what it costs
    quote     the shipping service says what shipping costs
    charging  lines and total are written: from here on there may be a charge of this amount
    charge    the gateway is asked; the payment's id is the charge's, so that there is one
    settle    what the gateway says is written, with the message for the order processor

One at a time works on a payment: who has its lease. When the same request comes again it goes on
where the one before has ended; when it does not, the settler does (settler.py). A refusal before
the charge leaves nothing behind, so that the same key may succeed later.
"""

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from skillupworks.errors import StoreUnavailableError, TransientError
from skillupworks.runtime import trace
from skillupworks.runtime.http_client import ServiceAwayError
from skillupworks.runtime.problems import ProblemError, come_back
from skillupworks.shop.checkout_steps import OrderTaker, refused
from skillupworks.shop.gateway import Card, Gateway, GatewayTimeoutError, Outcome, Pending
from skillupworks.shop.leases import Leases
from skillupworks.shop.money import CURRENCY
from skillupworks.shop.payment_attempt import Attempt, PaymentStore
from skillupworks.shop.payment_metrics import PaymentMetrics
from skillupworks.shop.payment_model import PaymentRequest
from skillupworks.shop.payments import OrderState, Payment
from skillupworks.shop.settlement import Settlement
from skillupworks.shop.stock_client import StockRefusedError

__all__ = ["Checkout", "Paid"]

# two ids of the same millisecond differ in three random digits; a clash is drawn again
ID_ATTEMPTS = 10
# another request with the same key gets so long to finish
WAIT_SECONDS = 5.0
LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Paid:
    """A payment as it is after a request; `repeated` when it had an outcome before."""

    payment: Payment
    repeated: bool


class Checkout:
    """Makes payments; thread-safe. While `full` says so, no new ones are taken."""

    def __init__(  # noqa: PLR0913 - it touches all that a payment touches
        self,
        store: PaymentStore,
        taker: OrderTaker,
        gateway: Gateway,
        settlement: Settlement,
        *,
        leases: Leases,
        full: Callable[[], bool],
        metrics: PaymentMetrics,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._taker = taker
        self._gateway = gateway
        self._settlement = settlement
        self._leases = leases
        self._full = full
        self._metrics = metrics
        self._clock = clock
        self._sleep = sleep

    def pay(self, key: str, owner: str, request: PaymentRequest) -> Paid:
        """Return the payment of this request: paid, rejected, or accepted if that is not known yet.

        Idempotent: the same key, owner and request give the same order and one charge, also when
        they race and whatever ended in between. Raises ProblemError: 422 for the same key with
        another request, and for what is not sold or shipped to; 409 `out_of_stock` or
        `price_changed`; 503 when something is away or no orders are taken.
        """
        digest = _digest(owner, request)
        deadline = self._clock() + WAIT_SECONDS
        problem = self._refusal(request)
        is_new, clashes = problem is None, 0
        while clashes < ID_ATTEMPTS:
            # the key is looked up only if it turns out to be taken: most are new
            new = _new_attempt(owner, request, digest, self._leases.new())
            if is_new and self._begin(key, new):
                if done := self._work(new, request):
                    return Paid(done.payment, repeated=False)
                continue
            found = self._store.by_key(key)
            is_new = found is None and problem is None
            if found is not None:
                if found.request_hash != digest:
                    raise refused("Idempotency-Key", "was used before with another request body")
                if paid := self._go_on(found, request, deadline):
                    return paid
            elif problem:
                raise problem
            else:
                clashes += 1
        raise StoreUnavailableError("no free order id was found")

    def _begin(self, key: str, new: Attempt) -> bool:
        try:
            return self._store.begin(key, new)
        except StoreUnavailableError:
            # it may have been written, and only the answer lost
            self._leases.leave(new)
            raise

    def _go_on(self, found: Attempt, request: PaymentRequest, deadline: float) -> Paid | None:
        """Answer with what there is, or finish it; None when it has to be looked at again."""
        if found.payment.state is not OrderState.ACCEPTED:
            self._metrics.count("repeated")
            return Paid(found.payment, repeated=True)
        mine = replace(found, lease=self._leases.new())
        if not found.leased and self._store.take_up(mine):
            done = self._work(mine, request)
            return None if done is None else Paid(done.payment, repeated=False)
        if self._clock() >= deadline:
            return Paid(found.payment, repeated=True)
        self._sleep(LOOK_SECONDS)
        return None

    def _refusal(self, request: PaymentRequest) -> ProblemError | None:
        try:
            self._taker.check(request)
        except ProblemError as problem:
            return problem
        return come_back("Too many orders wait to be handed on") if self._full() else None

    def _work(self, attempt: Attempt, request: PaymentRequest) -> Attempt | None:
        """Go on from where an attempt is, leased to us; None when it has to begin anew."""
        try:
            if not attempt.charging:
                attempt = self._take(attempt, request)
            return self._settlement.apply(attempt, self._charge(attempt, request))
        except StockRefusedError:
            # an attempt before this one has given its stock back, and ended before it was forgotten
            self._store.discard(attempt)
            return None
        except TransientError as error:
            # whoever repeats the request need not wait for the lease to end
            try:
                self._store.free(attempt)
            except StoreUnavailableError:
                self._leases.leave(attempt)
            if isinstance(error, ServiceAwayError):
                raise come_back(str(error)) from error
            raise

    def _take(self, attempt: Attempt, request: PaymentRequest) -> Attempt:
        """Reserve, price and write what is about to be charged."""
        order_id = attempt.payment.order_id
        try:
            taken = self._taker.take(order_id, attempt.items, request)
        except ProblemError as problem:
            if problem.code in {"out_of_stock", "price_changed"}:
                self._metrics.count(problem.code)
            self._store.discard(attempt)
            raise
        payment = replace(
            attempt.payment, lines=taken.lines, total=taken.total, address=taken.address
        )
        charging = replace(attempt, payment=payment, charging=True)
        if not self._store.charging(charging):
            raise come_back("The payment was taken up by another request")
        return charging

    def _charge(self, attempt: Attempt, request: PaymentRequest) -> Outcome:
        payment = attempt.payment
        card = Card(request.card.number, request.card.expiry, request.card.cvc)
        try:
            with self._metrics.gateway_seconds.time():
                return self._gateway.charge(payment.payment_id, payment.total, card)
        except GatewayTimeoutError:
            return Pending()


def _digest(owner: str, request: PaymentRequest) -> str:
    """Return what tells a request from another; of the card only the last digits count."""
    content = request.model_dump(include={"session_id", "shipping", "expected_total_minor"})
    if content["shipping"] and content["shipping"]["address"] is None:
        # as it was before there were addresses: a request may be repeated after an update
        del content["shipping"]["address"]
    items = [(item.sku, item.quantity) for item in request.items]
    text = json.dumps([owner, content, items, request.card.number[-4:]])
    return hashlib.sha256(text.encode()).hexdigest()


def _quantities(request: PaymentRequest) -> Mapping[str, int]:
    quantities: dict[str, int] = {}
    for item in request.items:
        quantities[item.sku] = quantities.get(item.sku, 0) + item.quantity
    return quantities


def _new_attempt(owner: str, request: PaymentRequest, digest: str, lease: str) -> Attempt:
    milliseconds = time.time_ns() // 1_000_000
    payment = Payment(
        payment_id=f"pay_{secrets.token_hex(12)}",
        order_id=f"ORD-{milliseconds}{secrets.randbelow(1000):03d}",
        session_id=request.session_id or owner,
        user_id=owner,
        lines=(),
        total=0,
        currency=CURRENCY,
        state=OrderState.ACCEPTED,
        created_at=datetime.fromtimestamp(milliseconds / 1000, UTC),
    )
    return Attempt(
        payment,
        digest,
        _quantities(request),
        request.card.number[-4:],
        lease=lease,
        traceparent=trace.current(),
    )
