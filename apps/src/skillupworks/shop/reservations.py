"""Reservations of stock: all of an order's products or none, once per order, never oversold.

No transaction spans the products of an order: on a server that is no member of a replica set, and
in the lab's engine, there are none. What holds instead, step by step, is this:

    begin    the reservation is written as `pending`, with a token that belongs to this attempt
    take     for each sku, in the order of the skus: one conditional update lowers the stock and
             leaves a hold with the token in the product, or does nothing
    held     the state changes from `pending` to `held`, if the token is still the same one
    commit   the state changes from `held` to `committed`; then the holds are dropped; of many
             orders at once, each by itself
    release  the state changes to `released`; then the holds are given back to the stock

A process may end, or lose the database, between any two of them:

- Only the attempt that has begun takes, and it takes before it is `held`. So an attempt whose
  token or state was changed by somebody else can never become `held` afterwards: whatever it holds
  may be given back by anybody who sees that, at any time, and it gives it back itself.
- A hold is given back, or dropped, by an update that needs it to be there: once, however many try.
- What is `pending` for too long is ended by the sweep, like what is `held` for too long; a client
  that repeats its request takes it over at once, with a token of its own.
- Holds that nobody came to drop are found by the sweep, which asks their reservation what they
  are: sold, in use, or to be given back. Until then there seems to be less stock than there is,
  never more.

Several instances may do all this at the same time, the sweep included. Clocks decide only when
something is looked at, not what comes of it. Since all take in the same order, of those that want
the last pieces of the same products one gets them; who comes between a refused attempt's taking
and giving back may be refused as well, although a moment later there would be enough.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from http import HTTPStatus
from uuid import uuid4

import structlog
from prometheus_client import CollectorRegistry, Counter

from skillupworks.runtime.problems import ProblemError, come_back
from skillupworks.shop.reservation_model import (
    Hold,
    Reservation,
    ReservationStore,
    ShortageError,
    State,
)

__all__ = ["LEASE_SECONDS", "ReservationMetrics", "Reservations"]

log = structlog.get_logger()

# taking takes milliseconds; an attempt that is not done by then has ended, or is ended
LEASE_SECONDS = 30
# another request for the same order gets so long to finish
WAIT_SECONDS = 1.0
LOOK_SECONDS = 0.05
# of finding that somebody else was quicker
ATTEMPTS = 10
# so long an order is answered as before
KEEP_SECONDS = 7 * 24 * 60 * 60
# reservations that one sweep ends; the next one comes soon
SWEEP_LIMIT = 500


class ReservationMetrics:
    """What is counted of reservations."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.outcomes = Counter(
            "skillupworks_reservations", "Reservations by outcome", ["outcome"], registry=registry
        )
        for outcome in ("held", "refused", "committed", "released", "expired"):
            self.outcomes.labels(outcome)
        self.mended = Counter(
            "skillupworks_reservation_holds_mended",
            "Holds that a process left behind, and the sweep settled or gave back",
            registry=registry,
        )


class Reservations:
    """All reservations; thread-safe. ProblemError for what cannot be done."""

    def __init__(
        self,
        store: ReservationStore,
        metrics: ReservationMetrics,
        *,
        seconds: int,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep

    def reserve(self, order_id: str, lines: Mapping[str, int]) -> Reservation:
        """Hold all that an order needs, or raise ShortageError; again, the same is said again."""
        lines = dict(sorted(lines.items()))
        for attempt in range(ATTEMPTS):
            # most orders are new, and are not looked for
            found = self._store.find(order_id) if attempt else None
            if found is not None and found.state is State.RELEASED:
                raise _conflict("released", f"The reservation of {order_id} was given back")
            if found is not None and found.state in {State.PENDING, State.HELD, State.COMMITTED}:
                if found.lines != lines:
                    raise _conflict("another_order", f"{order_id} has reserved something else")
                if found.state is not State.PENDING:
                    return found
                if self._is_left(found):
                    continue
            if mine := self._begin(order_id, lines, found):
                return self._take(mine)
        raise come_back(f"The reservation of {order_id} is being changed")

    def commit(self, order_id: str) -> Reservation:
        """Sell what is held; again, the same."""
        found = self.commit_all([order_id]).get(order_id)
        if found is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"There is no reservation of {order_id}")
        if found.state is not State.COMMITTED:
            raise _conflict(found.state, f"The reservation of {order_id} is {found.state}")
        return found

    def commit_all(self, order_ids: Collection[str]) -> dict[str, Reservation]:
        """Sell what is held of several orders; return what their reservations are now.

        Those that were not held are as they were, and who has none is missing. Again, the same.
        """
        self._count("committed", self._store.commit(order_ids, self._now()))
        found = self._store.find_all(order_ids)
        sold: dict[str, list[str]] = defaultdict(list)
        for each in found:
            if each.state is State.COMMITTED:
                for sku in each.lines:
                    sold[sku].append(each.token)
        for sku, tokens in sold.items():
            self._store.settle_all(sku, tokens)
        return {each.order_id: each for each in found}

    def release(self, order_id: str) -> None:
        """Give back what is held; again, nothing happens.

        An order that is not known is remembered as given back: its reservation may still be on its
        way, slower than this, and would be nobody's.
        """
        for _ in range(ATTEMPTS):
            found = self._store.find(order_id)
            if found is None:
                nothing = Reservation(order_id, uuid4().hex, State.RELEASED, {}, self._now())
                if self._store.begin(nothing, self._now()):
                    return
                continue
            if found.state is State.COMMITTED:
                raise _conflict("committed", f"The reservation of {order_id} is sold")
            if found.state is not State.RELEASED:
                if not self._move(found, State.RELEASED):
                    continue
                self._count("released")
            self._give_back(found)
            return
        raise come_back(f"The reservation of {order_id} is being changed")

    def sweep(self) -> int:
        """End what is overdue and mend what was left behind; return how much that was."""
        now = self._now()
        done = 0
        for found in self._store.overdue(now, SWEEP_LIMIT):
            if self._move(found, State.EXPIRED):
                self._give_back(found)
                self._count("expired")
                log.info(f"Reservation {found.order_id} expired", order_id=found.order_id)
                done += 1
        for hold in self._store.old_holds(now):
            done += self._mend(hold)
        # after the holds: they ask their reservation what they are
        self._store.forget(now - KEEP_SECONDS)
        return done

    def _is_left(self, found: Reservation) -> bool:
        """Wait for another request with the same order; say whether it came to an end."""
        deadline = self._clock() + WAIT_SECONDS
        while self._clock() < deadline:
            self._sleep(LOOK_SECONDS)
            now = self._store.find(found.order_id)
            if now is None or now.state is not State.PENDING or now.token != found.token:
                return True
        return False

    def _begin(
        self, order_id: str, lines: Mapping[str, int], found: Reservation | None
    ) -> Reservation | None:
        """Begin an attempt in place of one that failed or hangs; None if somebody was quicker."""
        now = self._now()
        mine = Reservation(order_id, uuid4().hex, State.PENDING, lines, now + LEASE_SECONDS)
        if found is None:
            return mine if self._store.begin(mine, now) else None
        if not self._store.replace(found, mine, now):
            return None
        self._give_back(found)
        return mine

    def _take(self, mine: Reservation) -> Reservation:
        until = self._now() + LEASE_SECONDS + self._seconds
        for sku, quantity in mine.lines.items():
            if not self._store.take(sku, Hold(sku, mine.token, mine.order_id, quantity), until):
                self._move(mine, State.REFUSED)
                self._give_back(mine)
                self._count("refused")
                raise ShortageError(sku, quantity, self._store.stock(sku))
        held = replace(mine, state=State.HELD, expires_at=self._now() + self._seconds)
        if not self._store.replace(mine, held, self._now()):
            self._give_back(mine)
            raise come_back(f"The reservation of {mine.order_id} was ended by another request")
        self._count("held")
        return held

    def _mend(self, hold: Hold) -> bool:
        found = self._store.find(hold.order_id)
        is_its = found is not None and found.token == hold.token
        if is_its and found is not None and found.state in {State.PENDING, State.HELD}:
            return False
        if is_its and found is not None and found.state is State.COMMITTED:
            mended = self._store.settle(hold.sku, hold.token)
        else:
            mended = self._store.give_back(hold.sku, hold.token, hold.quantity)
        self._metrics.mended.inc(mended)
        return mended

    def _give_back(self, reservation: Reservation) -> None:
        for sku, quantity in reservation.lines.items():
            self._store.give_back(sku, reservation.token, quantity)

    def _move(self, found: Reservation, state: State) -> bool:
        return self._store.replace(found, replace(found, state=state), self._now())

    def _count(self, outcome: str, count: int = 1) -> None:
        self._metrics.outcomes.labels(outcome).inc(count)

    def _now(self) -> int:
        return int(self._clock())


def _conflict(code: str, detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.CONFLICT, detail, code=code)
