"""Effects: what an order causes in other systems, recorded with it and delivered afterwards.

The row is written in the order's transaction, so it is there if, and only if, the order is. It is
deleted once the back end has taken it; when the process dies in between it is delivered again,
with the same key, by which the back end can tell.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from skillupworks.runtime import trace
from skillupworks.runtime.database import Cursor, rows_by_key

__all__ = ["Backlog", "Effect", "EffectTable", "Inserting", "add_effect"]

# Names this process among those that deliver effects. What a process has recorded is its own for
# a second, so that an order's lines stand together in one journal.
PROCESS = secrets.token_hex(8)
INSERT = (
    "INSERT INTO effects (order_id, kind, payload, traceparent, recorded_by, due_at, created_at)"
    " VALUES (%s, %s, %s, %s, %s, UTC_TIMESTAMP(6) + INTERVAL 1 SECOND, UTC_TIMESTAMP(6))"
)
# The driver spends its time per column: one with all small ones halves what an effect costs.
# Without the hint a small table is scanned, and rows of others are met on the way.
TAKE = (
    "SELECT payload, JSON_ARRAY(id, order_id, traceparent, attempts) FROM effects"
    " FORCE INDEX (ix_effects_due)"
    " WHERE kind = %s AND due_at <= UTC_TIMESTAMP(6) + INTERVAL 1 SECOND"
    " AND (due_at <= UTC_TIMESTAMP(6) OR recorded_by = %s AND attempts = 0)"
    " ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED"
)
REMOVE = "DELETE effects FROM " + rows_by_key("effects", "id", "BIGINT")
ERROR_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect of an order; `attempts` is how many have failed, `payload` is for the back end."""

    payload: str
    id: int
    order_id: str
    traceparent: str | None
    attempts: int


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


def add_effect(unit: Inserting, kind: str, order_id: str, payload: str) -> None:
    """Record an effect of a message together with everything else that it causes."""
    unit.insert(INSERT, (order_id, kind, payload, trace.current(), PROCESS))


class EffectTable:
    """The effects of one kind; every method works in the caller's transaction."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def take(self, cursor: Cursor, limit: int) -> list[Effect]:
        """Return and lock those due for longest; what another process works on is passed over."""
        cursor.execute(TAKE, (self._kind, PROCESS, limit))
        return [Effect(payload, *json.loads(rest)) for payload, rest in cursor.fetchall()]

    def remove(self, cursor: Cursor, effects: Sequence[Effect]) -> None:
        """Forget effects that were delivered."""
        if effects:
            cursor.execute(REMOVE, (json.dumps([effect.id for effect in effects]),))

    def put_off(self, cursor: Cursor, effect: Effect, error: str, seconds: float) -> None:
        """Have an effect tried again after a while."""
        cursor.execute(
            "UPDATE effects SET attempts = attempts + 1, error = %s,"
            " due_at = UTC_TIMESTAMP(6) + INTERVAL %s MICROSECOND WHERE id = %s",
            (error[:ERROR_CHARACTERS], int(seconds * 1_000_000), effect.id),
        )

    def give_up(self, cursor: Cursor, effect: Effect, error: str) -> None:
        """Keep an effect that cannot be delivered, for a person to look at."""
        cursor.execute(
            "UPDATE effects SET attempts = attempts + 1, error = %s, due_at = NULL WHERE id = %s",
            (error[:ERROR_CHARACTERS], effect.id),
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
