"""Processes a batch of messages in one transaction: inbox, effects, and one commit for all.

A few statements with many rows each and one commit are what makes it fast; the inbox is what
makes trying again safe.
"""

from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from time import monotonic
from typing import Any, Generic, TypeVar

import structlog

from skillupworks.errors import PermanentError, TransientError
from skillupworks.messaging.message import Outcome, Work
from skillupworks.reliability.inbox import Claim, claim
from skillupworks.runtime import trace
from skillupworks.runtime.database import Cursor, Database, DataError, IntegrityError, describe
from skillupworks.runtime.statements import insert_rows

__all__ = ["Transactional", "Unit"]

log = structlog.get_logger()

M = TypeVar("M")

Inserts = dict[str, list[Sequence[object]]]


class Unit:
    """The part of one message in the transaction of its batch.

    `alone` says that the message has the transaction for itself: in a batch of one, and as its
    second chance after a batch failed. `recorded` says that its effect is committed already, by an
    earlier attempt of this very delivery whose commit was not answered.
    """

    def __init__(  # noqa: PLR0913 - made by Transactional only
        self,
        cursor: Cursor,
        inserts: Inserts,
        message_id: str,
        attempt: int,
        began: float,
        *,
        alone: bool,
        recorded: bool,
    ) -> None:
        self.message_id = message_id
        self.attempt = attempt
        self.alone = alone
        self.recorded = recorded
        self._cursor = cursor
        self._inserts = inserts
        self._began = began
        self._actions: list[Callable[[], None]] = []

    def insert(self, statement: str, *rows: Sequence[object]) -> None:
        """Insert rows before the commit: `INSERT INTO t (a, b) VALUES (%s, %s)`.

        The rows of the whole batch become one statement each, in the order in which statements
        first came. Nothing is inserted when the effect of this message is recorded already.
        """
        if not self.recorded:
            self._inserts.setdefault(statement, []).extend(rows)

    def execute(
        self, statement: str, parameters: Sequence[object] = ()
    ) -> Sequence[tuple[Any, ...]]:
        """Run a statement at once and return its rows; it does not see what insert() was given.

        A statement that changes rows must look at `recorded`, or be harmless when repeated.
        """
        self._cursor.execute(statement, parameters)
        return self._cursor.fetchall()

    def after_commit(self, action: Callable[[], None]) -> None:
        """Run `action` once the batch is committed, and not at all if it is not."""
        self._actions.append(action)

    def elapsed_ms(self) -> float:
        """Return the milliseconds since this attempt began."""
        return round((monotonic() - self._began) * 1000, 1)

    def committed(self) -> None:
        """Run what was to be done after the commit."""
        # they hold this unit: such circles would be kept until the garbage collector comes, which
        # takes megabytes when messages are many
        actions, self._actions = self._actions, []
        for action in actions:
            try:
                action()
            except Exception:
                # the message is processed: an error here must not have it processed again
                log.exception("Error after the commit")


class Transactional(Generic[M]):
    """A Process that calls `handle` with each message and a Unit, all in one transaction.

    `handle` returns the outcome (None: PROCESSED) or raises, which fails the batch; the runtime
    then brings the messages one by one. While it and its actions after the commit run, message_id,
    attempt and trace_id are in every log event, and trace.current() is the message's.

    `key` gives the id of a message that came without one; without `key` such a message is refused.
    `duplicate` is called after the commit for a message that was processed before.
    """

    def __init__(
        self,
        database: Database,
        consumer: str,
        handle: Callable[[M, Unit], Outcome | None],
        *,
        key: Callable[[M], str] | None = None,
        duplicate: Callable[[M, Unit], None] | None = None,
    ) -> None:
        self._database = database
        self._consumer = consumer
        self._handle = handle
        self._key = key
        self._duplicate = duplicate or _say_duplicate

    def __call__(self, batch: Sequence[Work[M]]) -> list[Outcome]:
        """Return the outcomes once they are committed.

        Raises when nothing was committed, or when that is unknown; trying again is safe.
        PermanentError says, if the message is alone, that no later attempt can succeed.
        """
        began = monotonic()
        ids = [self._identify(work) for work in batch]
        tokens: dict[str, str] = {}
        for message_id, work in zip(ids, batch, strict=True):
            tokens.setdefault(message_id, work.delivery.token)
        inserts: Inserts = {}
        outcomes: list[Outcome] = []
        units: list[tuple[Context, Unit]] = []
        try:
            with self._database.transaction() as cursor:
                claims = claim(cursor, self._consumer, tokens)
                for message_id, work in zip(ids, batch, strict=True):
                    # of two in one batch the second is the duplicate
                    mine = tokens[message_id] == work.delivery.token
                    found = claims[message_id] if mine else Claim.TAKEN
                    unit = Unit(
                        cursor,
                        inserts,
                        message_id,
                        work.attempt,
                        began,
                        alone=len(batch) == 1,
                        recorded=found is Claim.OURS,
                    )
                    context = copy_context()
                    outcomes.append(context.run(self._run, work, unit, found))
                    units.append((context, unit))
                for statement, rows in inserts.items():
                    insert_rows(cursor, statement, rows)
        except DataError as error:
            raise PermanentError(f"MySQL: {describe(error)}", reason="rejected") from error
        except IntegrityError as error:
            raise TransientError(f"MySQL: {describe(error)}") from error
        for context, unit in units:
            context.run(unit.committed)
        return outcomes

    def check(self) -> str | None:
        """Return None when the database answers, otherwise what is wrong."""
        return self._database.check()

    def _identify(self, work: Work[M]) -> str:
        message_id = work.delivery.message_id
        if not message_id and self._key is not None:
            message_id = self._key(work.message)
        if not message_id:
            raise PermanentError("the message has no message id", reason="no-message-id")
        # the database compares without trailing blanks: what it takes for one is one
        return message_id.rstrip(" ")

    def _run(self, work: Work[M], unit: Unit, found: Claim) -> Outcome:
        """Bring one message to its outcome, in a context of its own."""
        structlog.contextvars.bind_contextvars(message_id=unit.message_id, attempt=unit.attempt)
        trace.bind(trace.accept(work.delivery.headers.get(trace.HEADER)))
        if found is Claim.TAKEN:
            unit.after_commit(lambda: self._duplicate(work.message, unit))
            return Outcome.DUPLICATE
        outcome = self._handle(work.message, unit) or Outcome.PROCESSED
        # what a handler finds in the database may be its own work of the earlier attempt
        return Outcome.PROCESSED if unit.recorded else outcome


def _say_duplicate(_message: object, unit: Unit) -> None:
    log.info(
        f"Duplicate of message {unit.message_id}: processed before, acknowledged without effect",
        outcome=str(Outcome.DUPLICATE),
        duration_ms=unit.elapsed_ms(),
    )
