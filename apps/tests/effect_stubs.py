"""Stand-ins for the table of effects and for a back end, in memory."""

from collections.abc import Sequence
from dataclasses import replace

from skillupworks.reliability.effects import Backlog, Effect
from skillupworks.runtime import trace
from skillupworks.runtime.database import Cursor
from skillupworks.runtime.logging import info_lines

from .reliability_stubs import actions_of


class MemoryEffects:
    """An EffectTable in memory; changes count when the transaction is committed.

    What was put off is due again when `due_again` is called.
    """

    def __init__(self) -> None:
        self.due: dict[str, Effect] = {}
        self.later: dict[str, Effect] = {}
        self.given_up: dict[str, str] = {}
        self.errors: list[str] = []
        self.pauses: list[float] = []
        self.taken: list[int] = []

    def put(self, *order_ids: str, traceparent: str | None = None, payload: str = "{}") -> None:
        for order_id in order_ids:
            self.due[order_id] = Effect(order_id, traceparent, 0, payload)

    def due_again(self) -> None:
        self.due |= self.later
        self.later = {}

    def take(self, _cursor: Cursor, limit: int) -> list[Effect]:
        effects = list(self.due.values())[:limit]
        self.taken.append(len(effects))
        return effects

    def remove(self, cursor: Cursor, effects: Sequence[Effect]) -> None:
        def commit() -> None:
            for effect in effects:
                del self.due[effect.order_id]

        if effects:
            actions_of(cursor).at_commit.append(commit)

    def put_off(self, cursor: Cursor, effect: Effect, error: str, seconds: float) -> None:
        def commit() -> None:
            self.errors.append(error)
            self.pauses.append(seconds)
            failed = self.due.pop(effect.order_id)
            self.later[effect.order_id] = replace(failed, attempts=effect.attempts + 1)

        actions_of(cursor).at_commit.append(commit)

    def give_up(self, cursor: Cursor, effect: Effect, error: str) -> None:
        def commit() -> None:
            self.given_up[self.due.pop(effect.order_id).order_id] = error

        actions_of(cursor).at_commit.append(commit)

    def backlog(self, _cursor: Cursor) -> Backlog:
        return Backlog(len(self.due) + len(self.later), len(self.given_up), 1.5)


class MemoryBackEnd:
    """A BackEnd that keeps what it takes; `errors` says what becomes of an order's effect."""

    batch = 10

    def __init__(self, line: str = "delivered") -> None:
        self.delivered: list[str] = []
        self.errors: dict[str, Exception] = {}
        self.asked: list[str] = []
        self.closed = False
        self._line = line

    def deliver(self, effect: Effect) -> None:
        self.asked.append(effect.order_id)
        if error := self.errors.get(effect.order_id):
            raise error
        self.delivered.append(effect.order_id)
        info_lines([self._line], order_id=effect.order_id, trace_id=trace.current_id())

    def close(self) -> None:
        self.closed = True
