"""Keeps book of the messages that were sent and not yet confirmed."""

from dataclasses import dataclass
from itertools import takewhile

from skillupworks.errors import (
    MessageTooLargeError,
    NotAcceptedError,
    UnconfirmedError,
    UnroutableError,
)
from skillupworks.messaging.message import Outgoing

__all__ = ["Confirms", "PublishError"]

PublishError = UnroutableError | NotAcceptedError | MessageTooLargeError | UnconfirmedError


@dataclass(slots=True)
class _Sent:
    place: int
    message: Outgoing
    returned: bool = False


class Confirms:
    """The confirms of one channel in confirm mode; the broker counts its messages from 1.

    The broker returns a message that no queue takes before it confirms it, and positively:
    only the return says that it is nowhere.
    Source: https://www.rabbitmq.com/docs/confirms#when-publishes-are-confirmed
    """

    def __init__(self) -> None:
        self._last_tag = 0
        self._sent: dict[int, _Sent] = {}
        self._problems: dict[int, PublishError] = {}

    @property
    def outstanding(self) -> int:
        """How many messages the broker has not answered for."""
        return len(self._sent)

    def expect(self, place: int, message: Outgoing) -> None:
        """Note that this message, the caller's number `place`, is sent next."""
        self._last_tag += 1
        self._sent[self._last_tag] = _Sent(place, message)

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
            message = sent.message
            where = f"exchange '{message.exchange}', routing key '{message.routing_key}'"
            if sent.returned:
                self._problems[sent.place] = UnroutableError(f"no queue is bound for {where}")
            elif not accepted:
                self._problems[sent.place] = NotAcceptedError(
                    f"the broker refused the message for {where}: its queue is full"
                )

    def take(self, reason: str) -> dict[int, PublishError]:
        """Return what went wrong, by place; `reason` is why the rest is not confirmed."""
        problems = self._problems | {
            sent.place: UnconfirmedError(reason) for sent in self._sent.values()
        }
        self._problems = {}
        self._sent = {}
        return problems
