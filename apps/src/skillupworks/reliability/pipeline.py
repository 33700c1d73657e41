"""Moves batches from the outbox to the broker, two of them under way at a time."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from skillupworks.errors import NotAcceptedError, TransientError, UnconfirmedError
from skillupworks.messaging.message import Outgoing
from skillupworks.messaging.publisher import Batch, PublishError
from skillupworks.reliability.outbox import Outbox, Waiting
from skillupworks.reliability.settler import Published, Settled, Settler
from skillupworks.runtime.database import Cursor, Database

__all__ = ["BATCH", "PIPELINE_CONNECTIONS", "BatchPublisher", "Pipeline"]

# rows of one transaction; a failure in the middle repeats at most so many messages, twice
BATCH = 500
# one each for the batch that is sent, the one whose confirms are out, and the one that is deleted
PIPELINE_CONNECTIONS = 3


class BatchPublisher(Protocol):
    """What the relay needs of a Publisher."""

    @property
    def connected(self) -> bool:
        """Whether the connection was there when it was last used."""

    @property
    def host(self) -> str:
        """The broker host of the current or last connection."""

    def connect(self) -> None:
        """Connect unless connected."""

    def serve(self) -> None:
        """Answer heartbeats and notice a lost connection."""

    def send(self, messages: Sequence[Outgoing], /) -> Batch:
        """Send all and do not wait for their confirms."""

    def wait(self, batch: Batch, /) -> list[PublishError | None]:
        """Wait for a batch's confirms and return what became of each message."""

    def close(self) -> None:
        """Close the connection."""


@dataclass(frozen=True)
class _Sent:
    """A batch whose confirms are out, and the open transaction that has its rows locked."""

    transaction: ExitStack
    cursor: Cursor
    rows: Sequence[Waiting]
    batch: Batch
    began: float


class Pipeline:
    """Takes a batch, sends it, and has it settled once it is confirmed.

    The next one is taken and sent while the confirms of the last are on their way, so that neither
    the broker nor the database waits for the other. Owned by one thread; `settled` is called on
    another, after each batch's commit.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        publisher: BatchPublisher,
        settled: Callable[[Settled], None],
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._publisher = publisher
        self._settler = Settler(outbox, settled)
        self._sent: _Sent | None = None
        self._after = 0

    def advance(self, *, retries: bool) -> int:
        """Send up to BATCH messages in order; return how many. With fewer, nothing is under way.

        With `retries` also such that could not be published before. Raises what holds up all
        messages: the database or the broker away, or a message of this batch or the one before it
        that the broker did not take. Call `drain` then.
        """
        sent = self._send(retries=retries)
        before, self._sent = self._sent, sent
        if before is not None:
            self._confirm(before)
        if sent is not None and len(sent.rows) == BATCH:
            return BATCH
        self._sent = None
        if sent is not None:
            self._confirm(sent)
        self._settler.wait()
        return 0 if sent is None else len(sent.rows)

    def begin_again(self) -> None:
        """Look for messages from the first row on, in case one was committed behind our back."""
        self._after = 0

    def drain(self) -> None:
        """Settle what is under way; what is not confirmed can be taken again then."""
        self.begin_again()
        sent, self._sent = self._sent, None
        if sent is not None:
            with suppress(TransientError):  # those messages are sent again
                self._confirm(sent)
        with suppress(TransientError):
            self._settler.wait()

    def close(self) -> None:
        """Settle what is under way, and end."""
        self.drain()
        self._settler.close()

    def _send(self, *, retries: bool) -> _Sent | None:
        with ExitStack() as transaction:
            cursor = transaction.enter_context(self._database.transaction())
            rows = self._outbox.take(cursor, BATCH, after=self._after, retries=retries)
            # too few may be so many only because of where we have begun
            self._after = rows[-1].row if len(rows) == BATCH else 0
            if not rows:
                return None
            began = monotonic()
            batch = self._publisher.send([waiting.message for waiting in rows])
            return _Sent(transaction.pop_all(), cursor, rows, batch, began)

    def _confirm(self, sent: _Sent) -> None:
        """Wait for a batch's confirms and have it settled; raises what holds up all messages."""
        with sent.transaction as transaction:
            outcomes = self._publisher.wait(sent.batch)
            seconds = monotonic() - sent.began
            self._settler.wait()
            self._settler.submit(
                Published(transaction.pop_all(), sent.cursor, sent.rows, outcomes, seconds)
            )
        for outcome in outcomes:
            if isinstance(outcome, (NotAcceptedError, UnconfirmedError)):
                raise outcome
