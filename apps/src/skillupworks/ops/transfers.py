"""Reading, dropping and importing parked messages.

Ended in between, by whatever, no message is lost: at worst one is both in the queue and in the
file, and importing the file skips it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from heapq import nlargest
from itertools import chain
from pathlib import Path

from skillupworks.errors import SkillUpWorksError
from skillupworks.messaging.parked import DeadLetters, Parked
from skillupworks.ops.message_file import MessageFile, read_messages
from skillupworks.ops.report import Report, Watch
from skillupworks.ops.selection import Selection

__all__ = ["count_messages", "drop", "export_messages", "import_messages", "latest", "matching"]


def matching(
    dead_letters: DeadLetters,
    selection: Selection,
    limit: int | None = None,
    watch: Watch | None = None,
) -> Iterator[Parked]:
    """Yield the messages that match, up to `limit`; they stay where they are."""
    pages = _matching_pages(dead_letters, selection, limit, Report(), watch or Watch())
    return chain.from_iterable(pages)


def latest(messages: Iterable[Parked], limit: int | None) -> tuple[list[Parked], int]:
    """Return those that were parked last, the latest last, and how many there were to choose from.

    A message of unknown age comes first. Only those that are returned are kept in memory.
    """
    number = 0

    def counted() -> Iterator[Parked]:
        nonlocal number
        for message in messages:
            number += 1
            yield message

    chosen = list(counted()) if limit is None else nlargest(limit, counted(), key=_age)
    return sorted(chosen, key=_age), number


def export_messages(
    dead_letters: DeadLetters,
    selection: Selection,
    limit: int | None,
    file: MessageFile,
    watch: Watch,
) -> Report:
    """Write the messages that match into the file; they stay where they are."""
    report = Report()
    try:
        for page in _matching_pages(dead_letters, selection, limit, report, watch):
            file.write(page)
            report.done += len(page)
    except SkillUpWorksError as error:
        report.ended_by = str(error)
    return report


def drop(
    dead_letters: DeadLetters,
    selection: Selection,
    limit: int | None,
    file: MessageFile,
    watch: Watch,
) -> Report:
    """Write the messages that match into the file, and remove them once they are on the disk."""
    report = Report()
    try:
        for page in _matching_pages(dead_letters, selection, limit, report, watch):
            file.write(page)
            for message in page:
                dead_letters.remove(message)
                report.done += 1
    except SkillUpWorksError as error:
        report.ended_by = str(error)
    return report


def count_messages(path: Path, queue: str) -> int:
    """Read a file to its end; raises MessageFileError for the first thing that is wrong in it."""
    return sum(1 for _message in read_messages(path, queue))


def import_messages(dead_letters: DeadLetters, path: Path, watch: Watch) -> Report:
    """Put the messages of a file back into the queue, and skip those that are there.

    Of an id that the file has twice there are two afterwards, not more: importing it again changes
    nothing. What is wrong in the file ends it in the middle; see `count_messages`.
    """
    there = Counter(message.key for message in matching(dead_letters, Selection()))
    report = Report()
    try:
        for message in read_messages(path, dead_letters.queue):
            if watch.stop():
                report.stopped = True
                break
            report.seen += 1
            if there[message.key] > 0:
                there[message.key] -= 1
                report.skipped += 1
            else:
                dead_letters.publish(dead_letters.queue, message)
                report.done += 1
            watch.progress(report)
    except SkillUpWorksError as error:
        report.ended_by = str(error)
    return report


def _age(message: Parked) -> datetime:
    return message.parked_at or datetime.min.replace(tzinfo=UTC)


def _matching_pages(
    dead_letters: DeadLetters,
    selection: Selection,
    limit: int | None,
    report: Report,
    watch: Watch,
) -> Iterator[list[Parked]]:
    """Yield what matches of each page; a message can be removed until the next one is asked for."""
    left = limit
    for page in dead_letters.pages():
        report.seen += len(page)
        found = [message for message in page if message in selection][:left]
        if found:
            yield found
        watch.progress(report)
        if left is not None:
            left -= len(found)
            if left == 0:
                return
        if watch.stop():
            report.stopped = True
            return
