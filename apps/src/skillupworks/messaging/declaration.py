"""What a consumer is: where its messages come from, and what is done with them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from skillupworks.messaging.message import Delivery, Outcome, Work
from skillupworks.messaging.topology import DEFAULT_RETRY_DELAYS, QueueTopology

__all__ = ["Declaration", "Process"]

M = TypeVar("M")


class Process(Protocol[M]):
    """Does the work; called from a worker's thread, from several when there are several workers.

    Given one message or several, it returns one outcome each, once all of it is committed. It
    raises when nothing was committed, or when that is not known: each message is then tried alone.
    Trying again must always be safe.

    Of a message that fails alone, PermanentError parks it at once. Any other error is held against
    the message, which is tried again later and parked in the end - unless `check` says that
    something is away: an outage is no message's fault, so the message is kept in hand meanwhile.
    """

    def __call__(self, batch: Sequence[Work[M]]) -> Sequence[Outcome]:
        """Process the messages."""

    def check(self) -> str | None:
        """Return None while everything that the work needs answers, otherwise what is away."""


def _no_facts(_message: object) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Declaration(Generic[M]):
    """A consumer.

    `read` turns a delivery into a message, or raises PermanentError. `prefetch` is how many
    messages the broker may leave with this consumer at once, `batch` how many of them the process
    is given at most, `concurrency` how many threads do so, each with its own batch. `retry_delays`
    are the seconds before the second, third, … attempt of a message that failed; afterwards it is
    parked. `facts` names a message in log events. `announce` says "Processed …" for every message,
    for a handler that does not say so itself. `greeting` is logged when deliveries begin.
    """

    topology: QueueTopology
    read: Callable[[Delivery], M]
    process: Process[M]
    prefetch: int = 200
    batch: int = 100
    concurrency: int = 1
    retry_delays: tuple[int, ...] = DEFAULT_RETRY_DELAYS
    facts: Callable[[M], Mapping[str, str]] = _no_facts
    announce: bool = True
    greeting: str = "Ready: waiting for messages"
