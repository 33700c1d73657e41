"""The deliveries that wait for a worker."""

from collections import deque
from collections.abc import Iterable
from threading import Condition

from skillupworks.messaging.session import Ticket

__all__ = ["Mailbox"]


class Mailbox:
    """A queue from the I/O thread to the workers; the consumer's prefetch bounds it.

    A worker takes all that has come, up to its limit, and never waits for more: messages are
    handled in groups when there are many, and at once when there are few.
    """

    def __init__(self) -> None:
        self._tickets: deque[Ticket] = deque()
        self._condition = Condition()
        self._closed = False

    def put(self, tickets: Iterable[Ticket]) -> None:
        """Leave deliveries for the workers."""
        with self._condition:
            # what a lost connection left here does not add up while a worker is long at work
            if self._tickets and self._tickets[0].session.over.is_set():
                self._tickets.clear()
            self._tickets.extend(tickets)
            self._condition.notify_all()

    def take(self, limit: int, seconds: float) -> list[Ticket] | None:
        """Return up to `limit` deliveries, as soon as there is one.

        None after so many `seconds` without one, and an empty list when the mailbox is closed.
        Deliveries whose session is over are left out: the broker has them again.
        """
        with self._condition:
            if not self._tickets and not self._closed:
                self._condition.wait(seconds)
            taken: list[Ticket] = []
            while self._tickets and len(taken) < limit:
                ticket = self._tickets.popleft()
                if not ticket.session.over.is_set():
                    taken.append(ticket)
            if taken:
                return taken
            return [] if self._closed else None

    def close(self) -> None:
        """Let the workers end once nothing is left."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
