"""One run of one fault: orders before, during and after it, and the account at the end."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from faults.accounting import Account, account, recovery_seconds
from faults.customers import PRODUCTS, Customers
from faults.ledger import Ledger, read_claims
from faults.records import (
    KEYS,
    Effects,
    Records,
    read_bought,
    read_journals,
    read_orders,
    read_parked,
    read_stray_charges,
    read_unexpected,
)
from faults.rest import check_rest, wait_for_rest
from tests.helpers.parts import Parts
from tests.helpers.shop import CHARGED
from tests.helpers.stock import Stock

T = TypeVar("T")

# orders come for so long before the fault begins, at random, and after it is over
BEFORE_SECONDS = (2.0, 5.0)
AFTER_SECONDS = 3.0
# after the last order, everything is processed within this time, unless a fault says otherwise
SETTLE_SECONDS = 120.0
POLL_SECONDS = 0.5
# of each product, more than the customers of a run can buy
ENOUGH = 20_000


@dataclass(frozen=True)
class Fault:
    """What a test is about: its name, its title in the table, and what it does."""

    name: str
    title: str
    description: str


@dataclass(frozen=True)
class Outcome:
    """A run as the report shows it."""

    fault: str
    title: str
    description: str
    seed: int
    began: float
    seconds: float
    account: Account
    recovery: float
    put_off: dict[str, int]
    # what was still under way when it should not have been
    left: dict[str, int]
    # what was seen of the fault, and everything that happened with its time since the beginning
    seen: list[str]
    events: list[tuple[float, str]]
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return what a file can take."""
        return asdict(self)


class Scene:
    """What a fault's test is given; everything random comes from the fault's name and seed."""

    def __init__(self, parts: Parts, fault: Fault, seed: int, folder: Path) -> None:
        self.parts = parts
        self.random = Random(f"{fault.name}-{seed}")
        self.outcome: Outcome | None = None
        self.began = time.time()
        # whether what is in the queues now can only be this run's
        self.rested = False
        self._fault, self._seed, self._folder = fault, seed, folder
        self.began = time.time()
        self._prefix = f"{KEYS}-{int(self.began)}-{fault.name}-{seed}"
        self._healed: float | None = None
        self._stock = Stock(parts.platform)
        # how many of each product were sold before
        self._gone: dict[str, int] = {}
        self._seen: list[str] = []
        self._events: list[tuple[float, str]] = []

    def choose(self, among: Sequence[T]) -> T:
        """Return one of them, by the seed."""
        return self.random.choice(among)

    def in_turn(self, among: Sequence[T]) -> T:
        """Return another of them for each seed, so that all have their turn."""
        return among[(self._seed - 1) % len(among)]

    def pause(self, least: float, most: float) -> None:
        """Let a random time pass."""
        time.sleep(self.random.uniform(least, most))

    def seen(self, what: str) -> None:
        """Note that the fault was seen to have taken effect; a run without such a note fails."""
        self._seen.append(what)
        self.note(f"seen: {what}")

    def healed(self) -> None:
        """Say that the fault is over now; recovery counts from here."""
        self._healed = time.time()
        self.note("the fault is over")

    def note(self, what: str) -> None:
        """Write down what happens."""
        self._events.append((round(time.time() - self.began, 2), what))

    @contextmanager
    def orders(
        self,
        *,
        effects: Callable[[Parts, float], Effects] = read_journals,
        repeats_allowed: bool = False,
        parked: Callable[[], int] = lambda: 0,
        settle: float = SETTLE_SECONDS,
        cards: Sequence[str] = (CHARGED,),
    ) -> Iterator[None]:
        """Let customers order, before, during and after what is done within; then judge.

        Fails when anything is lost, doubled or unexpected, when something is charged or sold that
        was not bought or the other way round, when more or less is parked than `parked` says, when
        something is still under way after `settle` seconds, and when the fault was not seen.
        """
        check_rest(self.parts)
        self._stock.ensure(PRODUCTS, ENOUGH)
        self._gone = self._stock.gone()
        shop = self.parts.shop.another()
        self.rested = True
        self.began = time.time()
        with Ledger(self._folder / f"{self._fault.name}-{self._seed}.jsonl") as ledger:
            customers = Customers(shop, ledger, self._prefix, self.random, cards)
            customers.start()
            self.note("customers order")
            try:
                self.pause(*BEFORE_SECONDS)
                self.note("the fault begins")
                yield
                if self._healed is None:
                    self.healed()
                time.sleep(AFTER_SECONDS)
            except BaseException:
                customers.stop(patience=0)
                raise
            self.note("no more orders")
            customers.stop()
        shop.close()
        self.note("every customer has an answer")
        self._judge(ledger.path, effects, parked(), settle, repeats_allowed=repeats_allowed)

    def _judge(
        self,
        ledger: Path,
        effects: Callable[[Parts, float], Effects],
        parked: int,
        settle: float,
        *,
        repeats_allowed: bool,
    ) -> None:
        claims = read_claims(ledger)
        deadline = time.monotonic() + settle
        while (records := self._read(effects)) and time.monotonic() < deadline:
            result = account(claims, records, repeats_allowed=repeats_allowed)
            if not result.lost and not result.waiting and result.parked == parked:
                break
            time.sleep(POLL_SECONDS)
        left = wait_for_rest(self.parts, max(15.0, deadline - time.monotonic()))
        self.note("at rest" if not left else f"still under way: {json.dumps(left)}")
        # what is on stock and what is charged is looked at when nothing changes any more
        final = replace(
            self._read(effects),
            stray_charges=read_stray_charges(self.parts.database),
            bought=read_bought(self.parts.database, self._prefix),
            gone=self._sold(),
        )
        result = account(claims, final, repeats_allowed=repeats_allowed)
        healed = self._healed or time.time()
        self.outcome = Outcome(
            fault=self._fault.name,
            title=self._fault.title,
            description=self._fault.description,
            seed=self._seed,
            began=self.began,
            seconds=time.time() - self.began,
            account=result,
            recovery=recovery_seconds(claims, records, healed),
            put_off=dict(claims.put_off),
            left=left,
            seen=self._seen,
            events=self._events,
            problems=self._problems(result, left, parked),
        )
        assert not self.outcome.problems, "\n".join([*self.outcome.problems, *self._story()])

    def _read(self, effects: Callable[[Parts, float], Effects]) -> Records:
        return Records(
            orders=read_orders(self.parts.database, self._prefix),
            effects=effects(self.parts, self.began),
            parked=read_parked(self.parts.broker),
            unexpected=read_unexpected(self.parts.database, self._prefix, self.began),
        )

    def _sold(self) -> dict[str, int]:
        """Return how many of each product are no longer on stock since the orders began."""
        sold = {sku: now - self._gone.get(sku, 0) for sku, now in self._stock.gone().items()}
        return {sku: count for sku, count in sold.items() if count}

    def _problems(self, result: Account, left: dict[str, int], parked: int) -> list[str]:
        problems = [
            f"{len(names)} {kind}, such as {'; '.join(names[:3])}"
            for kind, names in result.wrong.items()
        ]
        if not result.accepted:
            problems.append("nobody could order anything")
        if result.parked != parked:
            problems.append(f"{result.parked} messages are parked instead of {parked}")
        if left:
            problems.append(f"still under way: {json.dumps(left)}")
        if not self._seen:
            problems.append("the fault was not seen to do anything")
        return problems

    def _story(self) -> list[str]:
        return [f"{seconds:8.2f} s  {what}" for seconds, what in self._events]
