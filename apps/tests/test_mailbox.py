"""The mailbox gives out all that has come, and never waits for more."""

from gc import collect
from threading import Thread
from time import monotonic
from weakref import ref

from skillupworks.messaging.mailbox import Mailbox
from skillupworks.messaging.session import Ticket

from .messaging_stubs import StubSession, text


def tags(tickets: list[Ticket] | None) -> list[int] | None:
    return None if tickets is None else [ticket.tag for ticket in tickets]


def test_all_that_has_come_is_given_out_at_once_up_to_the_limit() -> None:
    mailbox = Mailbox()
    mailbox.put(StubSession().tickets(*[text("a")] * 5))

    assert tags(mailbox.take(3, seconds=60)) == [1, 2, 3]
    assert tags(mailbox.take(3, seconds=60)) == [4, 5]


def test_one_that_comes_is_given_out_without_waiting_for_another() -> None:
    mailbox = Mailbox()
    began = monotonic()

    Thread(target=mailbox.put, args=[StubSession().tickets(text("a"))]).start()

    assert tags(mailbox.take(100, seconds=60)) == [1]
    assert monotonic() - began < 30


def test_nothing_is_told_after_the_time_to_wait() -> None:
    assert Mailbox().take(100, seconds=0.01) is None


def test_what_is_left_is_given_out_after_the_mailbox_is_closed() -> None:
    mailbox = Mailbox()
    mailbox.put(StubSession().tickets(text("a"), text("b")))
    mailbox.close()

    assert tags(mailbox.take(1, seconds=60)) == [1]
    assert tags(mailbox.take(1, seconds=60)) == [2]
    assert tags(mailbox.take(1, seconds=60)) == []


def test_who_waits_is_told_that_the_mailbox_is_closed() -> None:
    mailbox = Mailbox()

    Thread(target=mailbox.close).start()

    assert mailbox.take(100, seconds=60) == []


def test_deliveries_of_a_lost_session_are_dropped() -> None:
    mailbox = Mailbox()
    lost, here = StubSession(), StubSession()
    mailbox.put(lost.tickets(text("a"), text("b")))
    lost.over.set()

    assert mailbox.take(100, seconds=0.01) is None

    mailbox.put(here.tickets(text("c")))
    assert tags(mailbox.take(100, seconds=60)) == [1]


def test_deliveries_of_lost_sessions_do_not_add_up_while_nobody_takes_them() -> None:
    mailbox = Mailbox()
    lost = []

    for _ in range(3):
        session = StubSession()
        lost.append(ref(session))
        mailbox.put(session.tickets(*[text("a")] * 100))
        session.over.set()
    mailbox.put(StubSession().tickets(text("b")))
    del session
    collect()

    assert [session() for session in lost] == [None, None, None]
