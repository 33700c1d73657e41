"""Keeps book of the messages that were sent and not yet confirmed."""

from dataclasses import dataclass, field
from itertools import takewhile

from skillupworks.errors import (
    MessageTooLargeError,
    NotAcceptedError,
    UnconfirmedError,
    UnroutableError,
)
from skillupworks.messaging.message import Outgoing

__all__ = ["Batch", "Confirms", "PublishError"]

PublishError = UnroutableError | NotAcceptedError | MessageTooLargeError | UnconfirmedError


@dataclass(slots=True)
class Batch:
    """Messages that were sent together, and what has become of each so far.

    `outcomes` are in the order of the messages: None for one that is confirmed, or of which nothing
    is known yet, otherwise the problem. All are final once none is `outstanding`.
    """

    outcomes: list[PublishError | None] = field(default_factory=list)
    outstanding: int = 0


@dataclass(slots=True)
class _Sent:
    batch: Batch
    place: int
    message: Outgoing
    returned: bool = False

    def settle(self, problem: PublishError | None) -> None:
        self.batch.outcomes[self.place] = problem
        self.batch.outstanding -= 1


class Confirms:
    """The confirms of one channel in confirm mode; the broker counts its messages from 1.

    The broker returns a message that no queue takes before it confirms it, and positively:
    only the return says that it is nowhere.
    Source: https://www.rabbitmq.com/docs/confirms#when-publishes-are-confirmed
    """

    def __init__(self) -> None:
        self._last_tag = 0
        self._sent: dict[int, _Sent] = {}

    def expect(self, batch: Batch, message: Outgoing) -> None:
        """Note that this message is sent next, as the next one of its batch."""
        self._last_tag += 1
        self._sent[self._last_tag] = _Sent(batch, len(batch.outcomes), message)
        batch.outcomes.append(None)
        batch.outstanding += 1

    def returned(self, exchange: str, routing_key: str, message_id: str | None) -> None:
        """Note that the broker has given a message back.

        A return does not name its tag. Messages with the same way and id share their fate, so the
        oldest such one is meant.
        """
        for sent in self._sent.values():
            message = sent.message
            if not sent.returned and (
                (message.exchange, message.routing_key, message.message_id)
                == (exchange, routing_key, message_id)
            ):
                sent.returned = True
                return

    def answered(self, tag: int, *, multiple: bool, accepted: bool) -> None:
        """Note the broker's answer for one message, or for all up to it."""
        tags = list(takewhile(lambda known: known <= tag, self._sent)) if multiple else [tag]
        for known in tags:
            sent = self._sent.pop(known, None)
            if sent is None:
                continue
            if accepted and not sent.returned:
                sent.settle(None)
                continue
            message = sent.message
            where = f"exchange '{message.exchange}', routing key '{message.routing_key}'"
            problem: PublishError = NotAcceptedError(
                f"the broker refused the message for {where}: its queue is full"
            )
            if sent.returned:
                problem = UnroutableError(f"no queue is bound for {where}")
            sent.settle(problem)

    def give_up(self, reason: str) -> None:
        """Note that nobody will know what becomes of what is not answered yet, and why."""
        for sent in self._sent.values():
            sent.settle(UnconfirmedError(reason))
        self._sent = {}
