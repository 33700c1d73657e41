"""Whatever the broker answers, and in whatever order: each message has exactly one outcome."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from skillupworks.errors import NotAcceptedError, UnconfirmedError, UnroutableError
from skillupworks.messaging.confirms import Batch, Confirms
from skillupworks.messaging.message import Outgoing

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def message(message_id: str, routing_key: str = "orders") -> Outgoing:
    return Outgoing("shop", routing_key, b"{}", message_id, NOW)


def sent(*ids: str) -> tuple[Confirms, Batch]:
    """Return the confirms of messages that were sent, and their batch."""
    confirms, batch = Confirms(), Batch()
    for message_id in ids:
        confirms.expect(batch, message(message_id))
    return confirms, batch


def kinds(batch: Batch) -> list[type[object]]:
    return [type(outcome) for outcome in batch.outcomes]


CONFIRMED = type(None)


def test_a_message_that_is_confirmed_has_no_problem() -> None:
    confirms, batch = sent("a")
    assert batch.outstanding == 1

    confirms.answered(1, multiple=False, accepted=True)
    confirms.give_up("time ran out")

    assert (batch.outstanding, batch.outcomes) == (0, [None])


def test_a_message_that_is_refused_is_not_accepted() -> None:
    confirms, batch = sent("a", "b")

    confirms.answered(2, multiple=False, accepted=False)
    confirms.answered(1, multiple=False, accepted=True)

    assert kinds(batch) == [CONFIRMED, NotAcceptedError]
    assert "exchange 'shop', routing key 'orders': its queue is full" in str(batch.outcomes[1])


def test_a_message_that_came_back_is_unroutable_although_it_is_confirmed() -> None:
    confirms, batch = sent("a", "b", "c")

    confirms.returned("shop", "orders", "b")
    confirms.answered(3, multiple=True, accepted=True)

    assert kinds(batch) == [CONFIRMED, UnroutableError, CONFIRMED]
    assert str(batch.outcomes[1]) == "no queue is bound for exchange 'shop', routing key 'orders'"


def test_messages_with_the_same_id_come_back_one_by_one() -> None:
    confirms, batch = sent("a", "a", "b")

    confirms.returned("shop", "orders", "a")
    confirms.returned("shop", "orders", "a")
    confirms.answered(3, multiple=True, accepted=True)

    assert kinds(batch) == [UnroutableError, UnroutableError, CONFIRMED]


def test_a_message_of_somebody_else_does_not_come_back_to_us() -> None:
    confirms, batch = sent("a")

    confirms.returned("shop", "payments", "a")
    confirms.returned("shop", "orders", None)
    confirms.answered(1, multiple=False, accepted=True)

    assert batch.outcomes == [None]


def test_what_is_not_answered_is_unconfirmed_for_the_given_reason() -> None:
    confirms, batch = sent("a", "b")
    confirms.answered(1, multiple=False, accepted=True)

    confirms.give_up("connection lost")

    assert kinds(batch) == [CONFIRMED, UnconfirmedError]
    assert str(batch.outcomes[1]) == "connection lost"


def test_an_answer_that_comes_too_late_is_nobodys() -> None:
    confirms, batch = sent("a")
    confirms.give_up("time ran out")

    later = Batch()
    confirms.expect(later, message("b"))
    confirms.answered(1, multiple=True, accepted=False)
    assert later.outstanding == 1
    confirms.answered(2, multiple=False, accepted=True)

    assert (kinds(batch), later.outcomes) == ([UnconfirmedError], [None])


def test_each_of_two_batches_knows_its_own_messages() -> None:
    confirms, first = sent("a", "b")
    second = Batch()
    confirms.expect(second, message("c"))
    confirms.expect(second, message("d"))

    confirms.answered(3, multiple=True, accepted=True)
    assert (first.outstanding, second.outstanding) == (0, 1)
    confirms.answered(4, multiple=False, accepted=False)

    assert kinds(first) == [CONFIRMED, CONFIRMED]
    assert kinds(second) == [CONFIRMED, NotAcceptedError]


class TestProperty:
    """Every message has the one outcome that the broker has given it."""

    @given(data=st.data(), count=st.integers(1, 30))
    def test_each_message_has_exactly_one_outcome(self, data: st.DataObject, count: int) -> None:
        # Given messages, some of them with the same id
        ids = data.draw(st.lists(st.sampled_from("abcdef"), min_size=count, max_size=count))
        confirms, batch = sent(*ids)
        expected: dict[int, type[Exception] | None] = {}
        waiting = set(range(1, count + 1))
        returned: set[int] = set()

        # When the broker returns and answers them in any order, alone or together, or not at all
        while data.draw(st.booleans(), label="goes on") and waiting:
            if data.draw(st.booleans(), label="returns one"):
                message_id = data.draw(st.sampled_from(ids))
                tags = [tag for tag in sorted(waiting - returned) if ids[tag - 1] == message_id]
                confirms.returned("shop", "orders", message_id)
                returned.update(tags[:1])
                continue
            tag = data.draw(st.sampled_from(sorted(waiting)))
            multiple = data.draw(st.booleans(), label="multiple")
            accepted = data.draw(st.booleans(), label="accepted")
            confirms.answered(tag, multiple=multiple, accepted=accepted)
            for done in [known for known in waiting if known == tag or (multiple and known < tag)]:
                waiting.discard(done)
                refused = None if accepted else NotAcceptedError
                expected[done] = UnroutableError if done in returned else refused
        assert batch.outstanding == len(waiting)
        expected |= dict.fromkeys(waiting, UnconfirmedError)

        # Then each has the outcome that it was given, and what was not answered is unconfirmed
        confirms.give_up("time ran out")
        outcomes = dict(enumerate(kinds(batch), start=1))
        assert outcomes == {tag: kind or CONFIRMED for tag, kind in expected.items()}
        assert batch.outstanding == 0
        confirms.give_up("again")
        assert outcomes == dict(enumerate(kinds(batch), start=1))
