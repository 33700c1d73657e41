"""Brings messages that failed out of the way of the others."""

from collections.abc import Sequence
from typing import Any

from skillupworks.errors import PermanentError, TransientError
from skillupworks.messaging.failures import Failure, parked_copy, retry_copy
from skillupworks.messaging.message import Outcome, Outgoing
from skillupworks.messaging.publisher import Publisher
from skillupworks.messaging.report import Report
from skillupworks.messaging.session import Ticket
from skillupworks.messaging.topology import QueueTopology

__all__ = ["Sidetrack"]


class Sidetrack:
    """Publishes copies of failed messages on a connection of its own, made when first needed.

    A transient failure waits for its next attempt: in a wait queue, or, from RabbitMQ 4.3 on, in
    its own queue, which delays what is rejected. A permanent failure, and one that was its last
    attempt, is parked. Owned by one thread.
    """

    def __init__(
        self, publisher: Publisher, topology: QueueTopology, retry_delays: tuple[int, ...]
    ) -> None:
        self._publisher = publisher
        self._topology = topology
        self._delays = retry_delays

    def put(
        self, failures: Sequence[tuple[Ticket, Failure]], report: Report[Any]
    ) -> list[tuple[Ticket, Failure]]:
        """Put aside what can be, acknowledge that, and return the rest.

        Raises TransientError when nothing could be published. A message whose copy was confirmed
        and whose acknowledgement was then lost comes again: trying again is safe by contract.
        """
        left: list[tuple[Ticket, Failure]] = []
        copies: list[tuple[Ticket, Failure, Outcome, Outgoing]] = []
        rejected: list[Ticket] = []
        for ticket, failure in failures:
            delay = self._delay(failure)
            if delay is None:
                copy = parked_copy(failure, self._topology)
                copies.append((ticket, failure, Outcome.PARKED, copy))
            elif ticket.session.native_retry:
                rejected.append(ticket)
                report.put_aside(failure, Outcome.RETRIED, delay)
            else:
                copy = retry_copy(failure, self._topology, delay)
                copies.append((ticket, failure, Outcome.RETRIED, copy))
        if rejected:
            rejected[0].session.give_back([ticket.tag for ticket in rejected])
        if not copies:
            return left
        problems = self._publisher.publish_many([copy for *_, copy in copies])
        settled: list[Ticket] = []
        for (ticket, failure, outcome, _), problem in zip(copies, problems, strict=True):
            if problem is None:
                settled.append(ticket)
                report.put_aside(failure, outcome, self._delay(failure))
            else:
                left.append((ticket, failure))
        if settled:
            settled[0].session.acknowledge([ticket.tag for ticket in settled])
        return left

    def serve(self) -> None:
        """Keep the connection alive while there is nothing to put aside."""
        try:
            self._publisher.serve()
        except TransientError:
            return  # it connects again when it is needed

    def close(self) -> None:
        """Close the connection."""
        self._publisher.close()

    def _delay(self, failure: Failure) -> int | None:
        """Return the seconds until the next attempt, or None when there shall be none."""
        if isinstance(failure.error, PermanentError) or failure.attempt > len(self._delays):
            return None
        return self._delays[failure.attempt - 1]
