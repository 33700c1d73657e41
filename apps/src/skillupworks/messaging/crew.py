"""The workers of a consumer, and the mailbox they share."""

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

from skillupworks.messaging.connection import Broker
from skillupworks.messaging.declaration import Declaration
from skillupworks.messaging.mailbox import Mailbox
from skillupworks.messaging.metrics import ConsumerMetrics
from skillupworks.messaging.publisher import Publisher
from skillupworks.messaging.session import Session
from skillupworks.messaging.sidetrack import Sidetrack
from skillupworks.messaging.topology import declare
from skillupworks.messaging.worker import Worker

__all__ = ["Crew"]

# An attempt that takes longer is taken for hung, and so are messages of which nothing has come for
# so long although nothing is known to be in the way: the watchdog is no longer fed.
HANDLER_LIMIT_SECONDS = 300.0

# RabbitMQ's own limit: what it has delivered it takes back, whatever it is set to
MAX_COPY_BYTES = 512 * 1024 * 1024


class Crew:
    """As many workers as are declared; `ended` is called whenever one of them has ended."""

    def __init__(
        self,
        broker: Broker,
        declaration: Declaration[Any],
        metrics: ConsumerMetrics,
        ended: Callable[[], None],
    ) -> None:
        self.mailbox = Mailbox()
        # how far the work was when it was last seen to go on, and when that was
        self._progress: tuple[int, float] | None = None
        topology, delays = declaration.topology, declaration.retry_delays

        def sidetrack() -> Sidetrack:
            prepare = partial(declare, topology=topology, retry_delays=delays)
            publisher = Publisher(broker, max_bytes=MAX_COPY_BYTES, prepare=prepare)
            return Sidetrack(publisher, topology, delays)

        self._workers = [
            Worker(declaration, self.mailbox, sidetrack(), metrics, ended)
            for _ in range(declaration.concurrency)
        ]

    @property
    def processed(self) -> int:
        """How many messages had an effect."""
        return sum(worker.processed for worker in self._workers)

    @property
    def crash(self) -> BaseException | None:
        """What broke a worker, if something did."""
        return next((worker.crash for worker in self._workers if worker.crash), None)

    def start(self) -> None:
        """Start the workers."""
        for worker in self._workers:
            worker.start()

    def dismiss(self) -> None:
        """Let the workers end once the mailbox is empty."""
        self.mailbox.close()

    def wait(self, seconds: float) -> bool:
        """Wait until all workers have ended; return whether they have."""
        end = monotonic() + seconds
        return all(worker.done.wait(max(0.0, end - monotonic())) for worker in self._workers)

    def trouble(self) -> str | None:
        """Return why messages are kept and tried again, or None."""
        return next((trouble for worker in self._workers if (trouble := worker.trouble())), None)

    def hung(self, session: Session | None) -> str | None:
        """Return what hangs, or None; to be asked every few seconds, with the present session.

        A handler, or a worker outside of it, as on a journal that takes nothing: then messages of
        the session are in flight, and none is settled or attempted. Who waits for a database, or
        for messages, does not hang.
        """
        if any(worker.busy_seconds() >= HANDLER_LIMIT_SECONDS for worker in self._workers):
            return f"the handler has not ended for {HANDLER_LIMIT_SECONDS:.0f} s"
        if session is None or not session.in_flight or self.trouble():
            self._progress = None
            return None
        now = monotonic()
        steps = session.settled + sum(worker.attempts for worker in self._workers)
        if self._progress is None or self._progress[0] != steps:
            self._progress = steps, now
        if now - self._progress[1] < HANDLER_LIMIT_SECONDS:
            return None
        return (
            f"{session.in_flight} messages are in flight, and nothing has come of them for"
            f" {HANDLER_LIMIT_SECONDS:.0f} s"
        )
