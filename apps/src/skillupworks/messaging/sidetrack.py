"""Brings messages that failed out of the way of the others."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from skillupworks.errors import PermanentError, TransientError, UnroutableError
from skillupworks.messaging.failures import Failure, given_back, parked_copy, retry_copy
from skillupworks.messaging.message import Outcome, Outgoing
from skillupworks.messaging.publisher import Publisher
from skillupworks.messaging.report import Report
from skillupworks.messaging.session import Ticket
from skillupworks.messaging.topology import QueueTopology, native_delays

__all__ = ["Sidetrack"]

# copies are sent in portions: a hundred messages of some megabytes would not be confirmed in time
PORTION_BYTES = 4 * 1024 * 1024

Failed = tuple[Ticket, Failure]


class Sidetrack:
    """Publishes copies of failed messages on a connection of its own, made when first needed.

    A transient failure waits for its next attempt: in a wait queue, or in its own queue where that
    delays what is rejected. A permanent failure, and one that was its last
    attempt, is parked. The publisher is expected to declare these queues on each connection. Owned
    by one thread.
    """

    def __init__(
        self, publisher: Publisher, topology: QueueTopology, retry_delays: tuple[int, ...]
    ) -> None:
        self._publisher = publisher
        self._topology = topology
        self._delays = retry_delays
        self._native_delays = native_delays(retry_delays)

    def put(
        self, failures: Sequence[Failed], report: Report[Any]
    ) -> tuple[list[Failed], str | None]:
        """Put aside what can be and acknowledge that; return the rest, and what is in the way.

        A message whose copy was confirmed and whose acknowledgement was then lost comes again:
        trying again is safe by contract.
        """
        rejected: list[Failed] = []
        copied: list[Failed] = []
        for ticket, failure in failures:
            native = ticket.session.native_retry and self._delay(ticket, failure) is not None
            (rejected if native else copied).append((ticket, failure))
        if rejected:
            rejected[0][0].session.give_back([ticket.tag for ticket, _ in rejected])
            self._say(report, rejected)
        if not copied:
            return [], None
        self.serve()  # a connection that was lost since is better found before it is used
        left: list[Failed] = []
        problem: str | None = None
        for portion in _portions(copied):
            if problem is None:
                kept, problem = self._copy(portion, report)
                left += kept
            else:
                left += portion
        return left, problem

    def _copy(self, failures: list[Failed], report: Report[Any]) -> tuple[list[Failed], str | None]:
        """Publish copies, acknowledge what is confirmed, return the rest and the first problem."""
        copies = [self._outgoing(ticket, failure) for ticket, failure in failures]
        try:
            problems = self._publisher.publish_many(copies)
        except TransientError as error:
            return failures, str(error)
        if any(isinstance(problem, UnroutableError) for problem in problems):
            self._publisher.close()  # somebody has deleted the queue: the next connection makes it
        outcomes = list(zip(failures, problems, strict=True))
        settled = [failed for failed, problem in outcomes if problem is None]
        if settled:
            settled[0][0].session.acknowledge([ticket.tag for ticket, _ in settled])
            self._say(report, settled)
        left = [failed for failed, problem in outcomes if problem is not None]
        return left, next((str(problem) for problem in problems if problem is not None), None)

    def _outgoing(self, ticket: Ticket, failure: Failure) -> Outgoing:
        delay = self._delay(ticket, failure)
        if delay is None:
            return parked_copy(failure, self._topology)
        return retry_copy(failure, self._topology, delay)

    def _say(self, report: Report[Any], failures: Sequence[Failed]) -> None:
        for ticket, failure in failures:
            delay = self._delay(ticket, failure)
            outcome = Outcome.PARKED if delay is None else Outcome.RETRIED
            report.put_aside(failure, outcome, delay)

    def serve(self) -> None:
        """Keep the connection alive while there is nothing to put aside."""
        with suppress(TransientError):  # it connects again when it is needed
            self._publisher.serve()

    def close(self) -> None:
        """Close the connection."""
        self._publisher.close()

    def _delay(self, ticket: Ticket, failure: Failure) -> int | None:
        """Return the seconds until the next attempt, or None when there shall be none."""
        native = ticket.session.native_retry
        delays = self._native_delays if native else self._delays
        if isinstance(failure.error, PermanentError) or failure.attempt > len(delays):
            return None
        # the broker's delay grows by its own count, which lacks attempts from before it did so
        return delays[given_back(failure.delivery) if native else failure.attempt - 1]


def _portions(failures: Sequence[Failed]) -> Iterator[list[Failed]]:
    """Split by the size of the messages; one that is larger than a portion is one."""
    portion: list[Failed] = []
    size = 0
    for failed in failures:
        length = len(failed[1].delivery.body)
        if portion and size + length > PORTION_BYTES:
            yield portion
            portion, size = [], 0
        portion.append(failed)
        size += length
    yield portion
