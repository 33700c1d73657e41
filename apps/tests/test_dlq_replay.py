"""Replaying loses nothing, doubles nothing, and keeps what a message is known by."""

from itertools import count
from time import monotonic

from skillupworks.messaging.parked import Parked
from skillupworks.ops.replay import Replay, replayed_copy
from skillupworks.ops.report import Report, Watch
from skillupworks.ops.selection import Selection

from .dlq_stubs import NOW, MemoryBroker, parked

DLQ = "order-processing-dlq"
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

LINE = (
    "2026-11-22T16:00:00Z replayed by alice@app1 to order-processing; was parked: invalid,"
    " attempts 1, total: is 2000, but the items add up to 1999"
)


def run(broker: MemoryBroker, **options: object) -> Report:
    arguments: dict[str, object] = {"selection": Selection(), "who": "alice@app1"} | options
    return Replay(**arguments).run(broker.open(DLQ))  # type: ignore[arg-type]


def test_a_message_goes_back_to_the_queue_it_failed_in() -> None:
    broker = MemoryBroker(parked("a"), parked("b"))

    report = run(broker)

    assert (report.seen, report.done, report.complete) == (2, 2, True)
    assert broker.keys("order-processing") == ["a", "b"]
    assert broker.keys() == []


def test_the_copy_is_the_message_without_its_failure() -> None:
    message = parked("a", headers={"traceparent": TRACEPARENT, "count": 7})

    copy = replayed_copy(message, "alice@app1", "order-processing", NOW)

    assert (copy.body, copy.properties) == (message.body, message.properties)
    assert copy.headers == {
        "traceparent": TRACEPARENT,
        "count": 7,
        "skillupworks-queue": "order-processing",
        "skillupworks-exchange": "skillupworks",
        "skillupworks-routing-key": "order.created",
        "skillupworks-replays": 1,
        "skillupworks-history": [LINE],
    }


def test_each_replay_adds_a_line_and_only_the_last_ones_are_kept() -> None:
    message = parked("a", error="x" * 5000)
    for _ in range(50):
        message = replayed_copy(message, "alice@app1", "order-processing", NOW)

    assert message.replays == 50
    assert len(message.history) == 20
    assert max(map(len, message.history)) <= 400


def test_a_message_that_the_broker_parked_goes_back_where_it_died() -> None:
    death = {"queue": "order-processing", "reason": "delivery_limit", "count": 1, "time": NOW}
    broker = MemoryBroker(Parked(body=b"{}", headers={"x-death": [death]}))

    assert run(broker).done == 1
    (message,) = broker.queues["order-processing"]
    assert "was parked: delivery_limit" in message.history[0]


def test_what_does_not_match_stays_in_its_order() -> None:
    broker = MemoryBroker(*(parked(str(n), reason=("invalid", "other")[n % 2]) for n in range(6)))

    report = run(broker, selection=Selection(reasons={"invalid"}))

    assert report.done == 3
    assert broker.keys() == ["1", "3", "5"]


def test_a_limit_ends_it() -> None:
    broker = MemoryBroker(parked("a"), parked("b"), parked("c"))

    assert run(broker, limit=2).done == 2
    assert broker.keys() == ["c"]


def test_messages_that_fail_again_at_once_are_not_replayed_for_ever() -> None:
    broker = MemoryBroker(parked("a"), parked("b"))
    broker.failing["order-processing"] = DLQ

    report = run(broker)

    assert report.done == 2
    assert broker.keys() == ["a", "b"]


def test_a_message_that_says_nothing_about_its_queue_needs_to_be_told() -> None:
    broker = MemoryBroker(Parked(body=b"{}", properties={"message_id": "a"}), parked("b"))

    report = run(broker)

    assert report.done == 1
    assert broker.keys() == ["a"]
    assert report.problems == ["a: does not say in which queue it failed; name one with --to"]
    assert run(broker, target="order-processing").complete


def test_a_queue_that_is_gone_keeps_its_messages_here_and_not_the_others() -> None:
    broker = MemoryBroker(parked("a", queue="gone"), parked("b"))

    report = run(broker)

    assert report.problems == ["a: there is no queue 'gone'"]
    assert (report.done, broker.keys()) == (1, ["a"])


def test_a_full_queue_ends_it_with_nothing_lost() -> None:
    broker = MemoryBroker(parked("a"), parked("b"))
    broker.full.add("order-processing")

    report = run(broker)

    assert report.ended_by == "queue 'order-processing' takes no more: it is full"
    assert (report.done, broker.keys()) == (0, ["a", "b"])


def test_a_lost_broker_ends_it_with_nothing_lost() -> None:
    broker = MemoryBroker(parked("a"), parked("b"), parked("c"))
    broker.publishes_left = 1

    report = run(broker)

    assert report.ended_by == "RabbitMQ at memory is lost: killed"
    assert broker.keys("order-processing") == ["a"]
    assert broker.keys() == ["b", "c"]


def test_it_ends_after_the_message_in_hand_when_asked_to() -> None:
    broker = MemoryBroker(*(parked(str(n)) for n in range(5)))
    asked = count()

    report = run(broker, watch=Watch(stop=lambda: next(asked) > 4))

    assert report.stopped
    assert 0 < report.done < 5
    assert broker.keys("order-processing") == [str(n) for n in range(report.done)]
    assert broker.keys() == [str(n) for n in range(report.done, 5)]


def test_it_keeps_to_the_rate() -> None:
    broker = MemoryBroker(*(parked(str(n)) for n in range(3)))
    began = monotonic()

    report = run(broker, rate=20.0)

    assert report.done == 3
    assert monotonic() - began >= 0.1


def test_progress_is_told_about_every_message() -> None:
    broker = MemoryBroker(parked("a"), parked("b", reason="other"), parked("c"))
    told: list[tuple[int, int]] = []

    run(
        broker,
        selection=Selection(reasons={"invalid"}),
        watch=Watch(progress=lambda report: told.append((report.seen, report.done))),
    )

    assert told == [(1, 1), (2, 1), (3, 2)]
