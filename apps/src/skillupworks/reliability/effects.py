"""Effects: what an order causes in other systems, recorded with it and delivered afterwards.

The row is written in the order's transaction, so it is there if, and only if, the order is. It is
deleted once the back end has taken it; when the process dies in between it is delivered again,
with the same key, by which the back end can tell.
"""

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from skillupworks.runtime import trace
from skillupworks.runtime.database import Cursor
from skillupworks.runtime.statements import rows_by_key

__all__ = ["Backlog", "Effect", "EffectTable", "Inserting", "Payloads", "add_effect"]

log = structlog.get_logger()

# Names this process among those that deliver effects. What a process has recorded is its own for
# a second, so that an order's lines stand together in one journal.
PROCESS = secrets.token_hex(8)
INSERT = (
    "INSERT INTO effects (kind, order_id, traceparent, recorded_by, due_at, created_at)"
    " VALUES (%s, %s, %s, %s, UTC_TIMESTAMP(6) + INTERVAL 1 SECOND, UTC_TIMESTAMP(6))"
)
# The driver spends its time per column: a single one halves what an effect costs. Without the hint
# a small table is scanned, and rows of others are met on the way.
TAKE = (
    "SELECT JSON_ARRAY(order_id, traceparent, attempts) FROM effects"
    " FORCE INDEX (ix_effects_due)"
    " WHERE kind = %s AND due_at <= UTC_TIMESTAMP(6) + INTERVAL 1 SECOND"
    " AND (due_at <= UTC_TIMESTAMP(6) OR recorded_by = %s AND attempts = 0)"
    " ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED"
)
REMOVE = (
    "DELETE effects FROM "
    + rows_by_key("effects", "order_id", "VARCHAR(64) COLLATE utf8mb4_bin")
    + " AND effects.kind = %s"
)
ERROR_CHARACTERS = 500

# Reads what the back ends are sent about orders, by order id, in the caller's transaction.
Payloads = Callable[[Cursor, Sequence[str]], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect of an order; `attempts` is how many have failed.

    `payload` is for the back end, and empty for one that needs none.
    """

    order_id: str
    traceparent: str | None
    attempts: int
    payload: str = ""


@dataclass(frozen=True)
class Backlog:
    """What is there of one kind; the age is by the database's clock."""

    waiting: int
    given_up: int
    oldest_seconds: float


class Inserting(Protocol):
    """What is needed of the unit of a message."""

    def insert(self, statement: str, *rows: Sequence[object]) -> None:
        """Insert rows before the commit."""


def add_effect(unit: Inserting, kind: str, order_id: str) -> None:
    """Record an effect of a message together with everything else that it causes."""
    unit.insert(INSERT, (kind, order_id, trace.current(), PROCESS))


class EffectTable:
    """The effects of one kind; every method works in the caller's transaction.

    `payloads` reads what the back end is sent: an effect has nothing but its order's id, since the
    order itself is in the same database.
    """

    def __init__(self, kind: str, payloads: Payloads | None = None) -> None:
        self._kind = kind
        self._payloads = payloads

    def take(self, cursor: Cursor, limit: int) -> list[Effect]:
        """Return and lock those due for longest; what another process works on is passed over.

        Those whose order somebody has deleted are given up.
        """
        cursor.execute(TAKE, (self._kind, PROCESS, limit))
        effects = [Effect(*json.loads(row)) for (row,) in cursor.fetchall()]
        if self._payloads is None or not effects:
            return effects
        payloads = self._payloads(cursor, [effect.order_id for effect in effects])
        for effect in effects:
            if effect.order_id not in payloads:
                self._give_up_orphan(cursor, effect)
        return [
            replace(effect, payload=payloads[effect.order_id])
            for effect in effects
            if effect.order_id in payloads
        ]

    def remove(self, cursor: Cursor, effects: Sequence[Effect]) -> None:
        """Forget effects that were delivered."""
        if effects:
            ids = json.dumps([effect.order_id for effect in effects])
            cursor.execute(REMOVE, (ids, self._kind))

    def put_off(self, cursor: Cursor, effect: Effect, error: str, seconds: float) -> None:
        """Have an effect tried again after a while."""
        cursor.execute(
            "UPDATE effects SET attempts = attempts + 1, error = %s,"
            " due_at = UTC_TIMESTAMP(6) + INTERVAL %s MICROSECOND"
            " WHERE kind = %s AND order_id = %s",
            (error[:ERROR_CHARACTERS], int(seconds * 1_000_000), self._kind, effect.order_id),
        )

    def give_up(self, cursor: Cursor, effect: Effect, error: str) -> None:
        """Keep an effect that cannot be delivered, for a person to look at."""
        cursor.execute(
            "UPDATE effects SET attempts = attempts + 1, error = %s, due_at = NULL"
            " WHERE kind = %s AND order_id = %s",
            (error[:ERROR_CHARACTERS], self._kind, effect.order_id),
        )

    def _give_up_orphan(self, cursor: Cursor, effect: Effect) -> None:
        problem = "the order is not in the database"
        self.give_up(cursor, effect, problem)
        log.error(
            f"The {self._kind} of order {effect.order_id} is given up: {problem}",
            order_id=effect.order_id,
            outcome="given up",
            reason="no-order",
        )

    def backlog(self, cursor: Cursor) -> Backlog:
        """Return how many wait, for how long the oldest has, and how many were given up."""
        cursor.execute(
            "SELECT COUNT(due_at), COUNT(*) - COUNT(due_at), TIMESTAMPDIFF(MICROSECOND,"
            " MIN(IF(due_at IS NULL, NULL, created_at)), UTC_TIMESTAMP(6))"
            " FROM effects WHERE kind = %s",
            (self._kind,),
        )
        waiting, given_up, age = cursor.fetchall()[0]
        return Backlog(waiting, given_up, max(0, age or 0) / 1_000_000)
