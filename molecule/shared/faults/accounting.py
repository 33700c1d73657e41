"""The comparison of what customers were told with what the platform has recorded.

As in the tests of the broker by Jepsen: every order that was accepted is processed, waits or is
parked; otherwise it is lost. Nothing is there twice, and nothing that nobody has ordered.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from faults.ledger import Claims
from faults.records import Effects, Recorded, Records

Names = list[str]


@dataclass(frozen=True)
class Account:
    """How it came out: numbers, and lists of those for whom it came out wrong."""

    attempted: int
    accepted: int
    processed: int
    waiting: int
    parked: int
    # accepted, and neither processed nor waiting nor parked; or processed with a part missing
    lost: Names
    # charged, recorded or told to the outside more than once
    doubled: Names
    # told to the outside once more, where the fault ended a process between doing and noting that
    repeated: Names
    # there, and nobody has ordered it
    unexpected: Names
    # paid and not charged exactly once, or charged and not paid
    mischarged: Names
    # products of which not as many left the stock as were bought
    missold: Names
    # refused, or never answered, although the customer did everything right
    refused: Names
    # paid, and the customer does not know
    recovered: int
    # the longest time without an order processed, and without an order accepted
    processing_gap: float
    accepting_gap: float
    # the longest time from a customer's wish until the order was processed
    slowest: float

    @property
    def wrong(self) -> dict[str, Names]:
        """What must not be; empty when all is well."""
        judged = ("lost", "doubled", "unexpected", "mischarged", "missold", "refused")
        return {name: names for name in judged if (names := getattr(self, name))}


def account(claims: Claims, records: Records, *, repeats_allowed: bool) -> Account:
    """Compare; effects may be repeated only where `repeats_allowed`."""
    told = {(key, order_id) for key, order_id in claims.accepted.items()}
    paid = {
        (key, each.order_id): each
        for key, found in records.orders.items()
        for each in found
        if each.paid
    }
    repeated = _repeated(told | paid.keys(), records.effects)
    every = {order_id for _, order_id in told | paid.keys()}
    doubled = _doubled(claims, records) + ([] if repeats_allowed else repeated)
    return Account(
        attempted=len(claims.planned),
        accepted=len(claims.accepted),
        processed=sum(each.processed_at is not None for each in paid.values()),
        waiting=sum(each.in_outbox for each in paid.values()),
        parked=sum(records.parked.values()),
        lost=_lost(told | paid.keys(), paid, records),
        doubled=doubled,
        repeated=repeated,
        unexpected=[
            *records.unexpected,
            *(f"{name}: an effect" for name in _strangers(records.effects, every)),
        ],
        mischarged=_mischarged(records),
        missold=_missold(records),
        refused=[*claims.refused, *(f"{key}: no answer" for key in claims.unanswered)],
        recovered=len(paid.keys() - told),
        processing_gap=longest_gap(_processed_times(records)),
        accepting_gap=longest_gap(list(claims.accepted_at.values())),
        slowest=_slowest(claims, records),
    )


def recovery_seconds(claims: Claims, records: Records, healed: float) -> float:
    """Return how long after `healed` the last order from before it was processed; 0: at once."""
    times = [
        each.processed_at
        for key, planned in claims.planned.items()
        if planned <= healed
        for each in records.orders.get(key, [])
        if each.processed_at is not None
    ]
    return max(0.0, max(times, default=healed) - healed)


def longest_gap(times: list[float]) -> float:
    """Return the longest time between two that follow each other; 0 for less than two."""
    return max((later - earlier for earlier, later in pairwise(sorted(times))), default=0.0)


def _slowest(claims: Claims, records: Records) -> float:
    times = (
        each.processed_at - claims.planned[key]
        for key, found in records.orders.items()
        for each in found
        if each.processed_at is not None and key in claims.planned
    )
    return max(times, default=0.0)


def _processed_times(records: Records) -> list[float]:
    found = (each for orders in records.orders.values() for each in orders)
    return [each.processed_at for each in found if each.processed_at is not None]


def _lost(
    expected: set[tuple[str, str]], paid: dict[tuple[str, str], Recorded], records: Records
) -> Names:
    lost = []
    for key, order_id in sorted(expected):
        order = paid.get((key, order_id))
        if order is None:
            lost.append(f"{order_id}: accepted, and no payment is recorded")
        elif order.processed_at is None:
            if not order.in_outbox and order_id not in records.parked:
                lost.append(f"{order_id}: paid, and neither processed nor waiting nor parked")
        elif order.lines_processed < order.lines_paid:
            lost.append(f"{order_id}: processed without all its lines")
        elif not records.effects.emails[order_id]:
            lost.append(f"{order_id}: processed without its e-mail")
        elif not records.effects.warehouse[order_id]:
            lost.append(f"{order_id}: processed without its word to the warehouse")
    return lost


def _doubled(claims: Claims, records: Records) -> Names:
    doubled = []
    for key, found in records.orders.items():
        if (times := sum(order.paid for order in found)) > 1:
            doubled.append(f"{key}: paid {times} times")
        for order in found:
            if order.rows > 1:
                doubled.append(f"{order.order_id}: recorded {order.rows} times")
            if order.lines_processed > order.lines_paid:
                doubled.append(f"{order.order_id}: has more lines than were paid")
            if order.order_id in records.parked and order.processed_at is not None:
                doubled.append(f"{order.order_id}: processed, and parked as well")
    shared = Counter(claims.accepted.values())
    doubled += [
        f"{name}: answered to {count} orders" for name, count in shared.items() if count > 1
    ]
    return doubled


def _mischarged(records: Records) -> Names:
    wrong = [
        f"{payment_id}: charged, and there is no payment" for payment_id in records.stray_charges
    ]
    for order in (each for found in records.orders.values() for each in found):
        if order.charged != (order.total if order.paid else 0):
            costs = f"costs {order.total}" if order.paid else f"is {order.state}"
            wrong.append(f"{order.order_id}: {order.charged} paise are charged, and it {costs}")
    return wrong


def _missold(records: Records) -> Names:
    return [
        f"{sku}: {records.gone.get(sku, 0)} are gone, {records.bought.get(sku, 0)} were bought"
        for sku in sorted(records.gone.keys() | records.bought.keys())
        if records.gone.get(sku, 0) != records.bought.get(sku, 0)
    ]


def _repeated(expected: set[tuple[str, str]], effects: Effects) -> Names:
    return [
        f"{order_id}: {kind} {count} times"
        for _, order_id in sorted(expected)
        for kind, count in (
            ("e-mail", effects.emails[order_id]),
            ("warehouse", effects.warehouse[order_id]),
        )
        if count > 1
    ]


def _strangers(effects: Effects, every: set[str]) -> Names:
    return sorted((effects.emails.keys() | effects.warehouse.keys()) - every)
