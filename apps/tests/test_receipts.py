"""Acknowledgements are grouped, and yet each delivery is settled once, and not before its time."""

from hypothesis import given
from hypothesis import strategies as st

from skillupworks.messaging.receipts import Receipts


def delivered(count: int) -> Receipts:
    receipts = Receipts()
    for tag in range(1, count + 1):
        receipts.add(tag)
    return receipts


def test_a_whole_batch_is_one_acknowledgement() -> None:
    receipts = delivered(100)

    assert receipts.acknowledge(list(range(1, 101))) == [(100, True)]
    assert len(receipts) == 0


def test_one_delivery_is_acknowledged_alone() -> None:
    assert delivered(3).acknowledge([1]) == [(1, False)]


def test_a_batch_behind_one_that_is_still_at_work_is_acknowledged_one_by_one() -> None:
    receipts = delivered(5)

    assert receipts.acknowledge([3, 4, 5]) == [(3, False), (4, False), (5, False)]
    assert receipts.acknowledge([1, 2]) == [(2, True)]


def test_a_batch_with_a_gap_is_acknowledged_together_up_to_the_gap() -> None:
    receipts = delivered(5)

    assert receipts.acknowledge([1, 2, 4, 5]) == [(2, True), (4, False), (5, False)]
    assert len(receipts) == 1
    assert receipts.acknowledge([3]) == [(3, False)]


def test_what_is_settled_is_not_settled_again() -> None:
    receipts = delivered(3)
    receipts.acknowledge([1, 2])

    assert receipts.acknowledge([1, 2]) == []
    assert receipts.take([2, 3, 3]) == [3]
    assert receipts.acknowledge([3]) == []


class Channel:
    """What a broker makes of acknowledgements: it closes the channel over one too many."""

    def __init__(self) -> None:
        self.unacknowledged: set[int] = set()
        self.acknowledged: list[int] = []

    def acknowledge(self, tag: int, *, multiple: bool) -> None:
        assert tag in self.unacknowledged, "unknown delivery tag"
        tags = {known for known in self.unacknowledged if known <= tag} if multiple else {tag}
        self.unacknowledged -= tags
        self.acknowledged += sorted(tags)


@given(data=st.data())
def test_in_whatever_order_workers_settle_each_delivery_is_acknowledged_once_and_not_before(
    data: st.DataObject,
) -> None:
    # Given several workers that take deliveries in turn, in batches of their own
    receipts, channel = Receipts(), Channel()
    at_work: list[list[int]] = []
    settled: set[int] = set()
    last = 0

    for _ in range(data.draw(st.integers(1, 30), label="steps")):
        if not at_work or data.draw(st.booleans(), label="takes"):
            batch = list(range(last + 1, last + 1 + data.draw(st.integers(1, 6), label="size")))
            last = batch[-1]
            for tag in batch:
                receipts.add(tag)
                channel.unacknowledged.add(tag)
            at_work.append(batch)
            continue
        # When one of them has brought a part of its batch to an end
        batch = data.draw(st.sampled_from(at_work), label="batch")
        part = data.draw(st.lists(st.sampled_from(batch), unique=True, min_size=1), label="part")
        tags = sorted(part) if data.draw(st.booleans(), label="in order") else part
        settled |= set(tags)
        if data.draw(st.booleans(), label="returned"):
            for tag in receipts.take(tags):
                channel.acknowledge(tag, multiple=False)
        else:
            for tag, multiple in receipts.acknowledge(tags):
                channel.acknowledge(tag, multiple=multiple)
        batch[:] = [tag for tag in batch if tag not in tags]
        at_work = [batch for batch in at_work if batch]

        # Then what was settled is acknowledged, and nothing else
        assert set(channel.acknowledged) == settled
        assert len(channel.acknowledged) == len(settled)
        assert len(receipts) == len(channel.unacknowledged)
