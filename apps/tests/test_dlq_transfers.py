"""Dropping, exporting and importing: every message is in the queue, in the file, or in both."""

from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillupworks.messaging.parked import Parked
from skillupworks.ops.message_file import MessageFile, read_messages
from skillupworks.ops.report import Report, Watch
from skillupworks.ops.selection import Selection
from skillupworks.ops.transfers import drop, export_messages, import_messages, matching

from .dlq_stubs import MemoryBroker, parked

DLQ = "order-processing-dlq"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where no file is yet."""
    return tmp_path / "messages.jsonl"


def drop_all(broker: MemoryBroker, path: Path, watch: Watch | None = None) -> Report:
    with MessageFile(path, DLQ) as file:
        return drop(broker.open(DLQ), Selection(), None, file, watch or Watch())


def export_all(broker: MemoryBroker, path: Path) -> Report:
    with MessageFile(path, DLQ) as file:
        return export_messages(broker.open(DLQ), Selection(), None, file, Watch())


def keys_in(path: Path) -> list[str]:
    return [message.key for message in read_messages(path, DLQ)]


def test_looking_leaves_everything_in_its_order() -> None:
    broker = MemoryBroker(*(parked(str(n)) for n in range(250)))

    found = list(matching(broker.open(DLQ), Selection(keys={"7", "207"})))

    assert [message.key for message in found] == ["7", "207"]
    assert broker.keys() == [str(n) for n in range(250)]


def test_what_is_dropped_is_in_the_file(path: Path) -> None:
    broker = MemoryBroker(*(parked(str(n)) for n in range(250)))

    report = drop_all(broker, path)

    assert (report.done, report.complete) == (250, True)
    assert broker.keys() == []
    assert keys_in(path) == [str(n) for n in range(250)]


def test_only_what_matches_is_dropped_and_no_more_than_the_limit(path: Path) -> None:
    broker = MemoryBroker(*(parked(str(n), reason=("a", "b")[n % 2]) for n in range(250)))

    with MessageFile(path, DLQ) as file:
        report = drop(broker.open(DLQ), Selection(reasons={"b"}), 60, file, Watch())

    assert report.done == 60
    assert len(broker.keys()) == 190
    assert keys_in(path) == [str(n) for n in range(1, 120, 2)]


def test_nothing_is_dropped_that_cannot_be_written(path: Path) -> None:
    path.write_text("something else")
    broker = MemoryBroker(parked("a"))

    report = drop_all(broker, path)

    assert report.ended_by == f"{path}: File exists"
    assert broker.keys() == ["a"]
    assert path.read_text() == "something else"


def test_dropping_ends_when_asked_to_and_nothing_is_lost(path: Path) -> None:
    broker = MemoryBroker(*(parked(str(n)) for n in range(250)))
    asked = count()

    report = drop_all(broker, path, Watch(stop=lambda: next(asked) >= 1))

    assert (report.stopped, report.done) == (True, 200)
    assert keys_in(path) + broker.keys() == [str(n) for n in range(250)]


def test_a_broker_that_is_lost_while_removing_leaves_messages_in_both_places(path: Path) -> None:
    broker = MemoryBroker(*(parked(str(n)) for n in range(5)))
    broker.removals_left = 2

    report = drop_all(broker, path)

    assert (report.done, report.ended_by) == (2, "RabbitMQ at memory is lost: killed")
    assert broker.keys() == ["2", "3", "4"]
    assert import_messages(broker.open(DLQ), path, Watch()).done == 2
    assert sorted(broker.keys()) == ["0", "1", "2", "3", "4"]


def test_what_was_exported_is_still_there(path: Path) -> None:
    broker = MemoryBroker(parked("a"), parked("b"))

    assert export_all(broker, path).done == 2
    assert broker.keys() == keys_in(path) == ["a", "b"]


def test_importing_puts_back_what_is_missing_and_twice_is_once(path: Path) -> None:
    broker = MemoryBroker(parked("a"), parked("b"), parked(None, b"no id"))
    export_all(broker, path)
    del broker.queues[DLQ][1:]

    first = import_messages(broker.open(DLQ), path, Watch())
    second = import_messages(broker.open(DLQ), path, Watch())

    assert (first.done, first.skipped) == (2, 1)
    assert (second.done, second.skipped) == (0, 3)
    assert len(broker.keys()) == 3


def test_an_import_that_was_cut_off_goes_on_where_it_was(path: Path) -> None:
    export_all(MemoryBroker(*(parked(str(n)) for n in range(5))), path)
    broker = MemoryBroker()
    broker.publishes_left = 2

    report = import_messages(broker.open(DLQ), path, Watch())
    broker.publishes_left = None

    assert (report.done, report.ended_by) == (2, "RabbitMQ at memory is lost: killed")
    assert import_messages(broker.open(DLQ), path, Watch()).done == 3
    assert broker.keys() == ["0", "1", "2", "3", "4"]


@given(
    st.lists(
        st.builds(
            parked,
            st.none() | st.sampled_from("abc"),
            st.sampled_from([b"", b"\xff", b"{}"]),
        ),
        max_size=8,
    ),
    st.sets(st.integers(0, 7)),
)
def test_a_queue_is_whole_again_after_export_loss_and_import(
    tmp_path_factory: pytest.TempPathFactory, messages: list[Parked], lost: set[int]
) -> None:
    path = tmp_path_factory.mktemp("transfer") / "messages.jsonl"
    broker = MemoryBroker(*messages)
    export_all(broker, path)
    kept = [message for place, message in enumerate(messages) if place not in lost]
    broker.queues[DLQ] = kept

    if messages:  # there is no file of an empty queue
        import_messages(broker.open(DLQ), path, Watch())

    assert sorted(broker.keys()) == sorted(message.key for message in messages)
