"""Settles a relay's batch in the background, so that the next one need not wait for its commit."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from skillupworks.errors import MessageTooLargeError, UnroutableError
from skillupworks.messaging.publisher import PublishError
from skillupworks.reliability.outbox import Outbox, Waiting
from skillupworks.runtime.database import Cursor

__all__ = ["Published", "Settled", "Settler"]


@dataclass(frozen=True)
class Published:
    """A batch, what became of each message, and the open transaction that has its rows locked.

    `seconds` is how long publishing took.
    """

    transaction: ExitStack
    cursor: Cursor
    batch: Sequence[Waiting]
    outcomes: Sequence[PublishError | None]
    seconds: float


@dataclass(frozen=True)
class Settled:
    """What of a batch is gone from the outbox, and what stays behind, by its error."""

    confirmed: Sequence[Waiting]
    stuck: dict[str, list[Waiting]]
    seconds: float


class Settler:
    """Deletes what was confirmed, puts off what cannot be published, and commits.

    One batch at a time, on a thread of its own. What was not confirmed for another reason is left
    as it was. `settled` is called after the commit, on that thread.
    """

    def __init__(self, outbox: Outbox, settled: Callable[[Settled], None]) -> None:
        self._outbox = outbox
        self._settled = settled
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="outbox-settler")
        self._pending: Future[None] | None = None

    def submit(self, published: Published) -> None:
        """Settle a batch; call wait() before the next one."""
        self._pending = self._executor.submit(self._settle, published)

    def wait(self) -> None:
        """Wait until the last batch is settled; StoreUnavailableError if it was not."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """End the thread."""
        self._executor.shutdown()

    def _settle(self, published: Published) -> None:
        confirmed: list[Waiting] = []
        stuck: dict[str, list[Waiting]] = defaultdict(list)
        for waiting, outcome in zip(published.batch, published.outcomes, strict=True):
            if outcome is None:
                confirmed.append(waiting)
            elif isinstance(outcome, (UnroutableError, MessageTooLargeError)):
                stuck[str(outcome)].append(waiting)
        with published.transaction:
            if confirmed:
                self._outbox.remove(published.cursor, [waiting.row for waiting in confirmed])
            for error, rows in stuck.items():
                self._outbox.postpone(published.cursor, [waiting.row for waiting in rows], error)
        self._settled(Settled(confirmed, stuck, published.seconds))
