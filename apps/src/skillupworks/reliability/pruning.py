"""The thread that forgets the messages of long ago, so that the inbox does not grow for ever."""

import random
from threading import Event, Thread

import structlog

from skillupworks.errors import StoreUnavailableError
from skillupworks.reliability.inbox import prune
from skillupworks.runtime.database import Database

__all__ = ["InboxPruner"]

log = structlog.get_logger()

INTERVAL_SECONDS = 3600.0
# A service that is restarted more often than hourly prunes too; and two copies of it, which are
# started together, do not meet.
FIRST_SECONDS = (60.0, 600.0)
# rows of one transaction, and a pause for the others: it is no hurry
LIMIT = 1000
PAUSE_SECONDS = 0.1
STOP_SECONDS = 5.0


class InboxPruner:
    """Deletes what a consumer received more than some days ago, hourly, a little at a time."""

    def __init__(self, database: Database, consumer: str, days: int) -> None:
        self._database = database
        self._consumer = consumer
        self._days = days
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="inbox-pruner", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End after the transaction at work."""
        self._stopping.set()
        self._thread.join(timeout=STOP_SECONDS)

    def prune(self) -> int:
        """Delete everything that is old enough and return how much it was."""
        pruned = 0
        while not self._stopping.is_set():
            with self._database.transaction() as cursor:
                found = prune(cursor, self._consumer, self._days, LIMIT)
            pruned += found
            if found < LIMIT:
                break
            self._stopping.wait(PAUSE_SECONDS)
        return pruned

    def _run(self) -> None:
        pause = random.uniform(*FIRST_SECONDS)  # noqa: S311
        while not self._stopping.wait(pause):
            pause = INTERVAL_SECONDS
            try:
                if pruned := self.prune():
                    log.info(f"Pruned {pruned:,} messages of the inbox older than {self._days} d")
            except StoreUnavailableError as error:
                log.warning(f"The inbox was not pruned: {error}")
            except Exception:
                log.exception("The inbox was not pruned")
