"""Replaying parked messages: back into the queue they failed in, as if nothing had happened."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from time import monotonic

from skillupworks.errors import MessageTooLargeError, SkillUpWorksError, UnroutableError
from skillupworks.messaging.parked import DeadLetters, Parked
from skillupworks.ops.report import Report, Watch
from skillupworks.ops.selection import Selection

__all__ = ["Replay", "replayed_copy"]

# what a consumer writes about a failure; a replayed message has not failed yet
FAILURE_HEADERS = frozenset(
    f"skillupworks-{name}"
    for name in (
        *("attempts", "reason", "error", "error-class"),
        *("first-failed-at", "last-failed-at"),
    )
)
HISTORY_LINES = 20
LINE_CHARACTERS = 400
# how long a Ctrl-C may go unnoticed between two messages
SLICE_SECONDS = 0.2


@dataclass(frozen=True)
class Replay:
    """What to replay and how.

    `target` is the queue for all messages; None stands for the queue that each one failed in.
    `who` is named in the message's history; `rate` is in messages per second, None for no limit.
    """

    selection: Selection
    who: str
    target: str | None = None
    limit: int | None = None
    rate: float | None = None
    watch: Watch = field(default_factory=Watch)

    def run(self, dead_letters: DeadLetters) -> Report:
        """Replay; a message is removed once the broker has confirmed its copy.

        Ended in between, by whatever, the message in hand is in both places; the consumer's inbox
        recognises it. A message that no queue takes stays, and the next one is replayed; a queue
        that is full, or the loss of the broker, ends the replay.
        """
        report = Report()
        pause = 1 / self.rate if self.rate else 0.0
        due = monotonic()
        try:
            for message in self._matching(dead_letters, report):
                if not self._wait_until(due, dead_letters):
                    report.stopped = True
                    break
                due = max(due + pause, monotonic())
                self._move(message, dead_letters, report)
                self.watch.progress(report)
        except SkillUpWorksError as error:
            report.ended_by = str(error)
        return report

    def _matching(self, dead_letters: DeadLetters, report: Report) -> Iterator[Parked]:
        """Yield what is to be replayed."""
        for message in chain.from_iterable(dead_letters.pages()):
            if report.done == self.limit:
                return
            if self.watch.stop():
                report.stopped = True
                return
            report.seen += 1
            if message in self.selection:
                yield message
            else:
                self.watch.progress(report)

    def _move(self, message: Parked, dead_letters: DeadLetters, report: Report) -> None:
        queue = self.target or message.queue
        if queue is None:
            report.problems.append(
                f"{message.key}: does not say in which queue it failed; name one with --to"
            )
            return
        try:
            dead_letters.publish(queue, replayed_copy(message, self.who, queue, datetime.now(UTC)))
        except (UnroutableError, MessageTooLargeError) as error:
            report.problems.append(f"{message.key}: {error}")
            return
        dead_letters.remove(message)
        report.done += 1

    def _wait_until(self, due: float, dead_letters: DeadLetters) -> bool:
        """Wait; return False when told to stop."""
        while not self.watch.stop():
            left = due - monotonic()
            if left <= 0:
                return True
            dead_letters.wait(min(left, SLICE_SECONDS))
        return False


def replayed_copy(message: Parked, who: str, queue: str, now: datetime) -> Parked:
    """Return the message to publish: the same id and content, with one line of history more."""
    time = now.isoformat(timespec="seconds").replace("+00:00", "Z")
    line = f"{time} replayed by {who} to {queue}; was parked: {message.reason}"
    if message.attempts:
        line += f", attempts {message.attempts}"
    if message.error:
        line += f", {message.error}"
    if len(line) > LINE_CHARACTERS:
        line = line[: LINE_CHARACTERS - 1] + "…"
    kept = {name: value for name, value in message.headers.items() if name not in FAILURE_HEADERS}
    return replace(
        message,
        headers={
            **kept,
            "skillupworks-history": [*message.history, line][-HISTORY_LINES:],
            "skillupworks-replays": message.replays + 1,
        },
    )
