"""A link says what is wrong, waits for nothing for ever, and leaves nothing open behind it."""

import socket
from functools import partial
from threading import Thread
from time import monotonic, sleep

import pytest
from pika import exceptions as amqp
from pika import frame, spec

from skillupworks.errors import BrokerRefusedError, BrokerUnavailableError
from skillupworks.messaging import link as link_module
from skillupworks.messaging.connection import CONNECTION_ERRORS
from skillupworks.messaging.link import Link

from .played_broker import Caller, Method, PlayedBroker
from .waiting import SECONDS


def open_link(broker: PlayedBroker) -> Link:
    return Link(broker.address, "127.0.0.1")


def bind(link: Link) -> None:
    link.call(partial(link.channel.queue_bind, "orders", "shop", routing_key="orders"))


def test_a_close_ends_the_connection(broker: PlayedBroker) -> None:
    open_link(broker).close()

    assert broker.caller.ended.wait(SECONDS)
    assert broker.heard(spec.Channel.Close) == 1
    assert broker.heard(spec.Connection.Close) == 1


@pytest.mark.parametrize("silent", [spec.Channel.Close, spec.Connection.Close])
def test_a_close_that_is_not_answered_drops_the_connection(
    broker: PlayedBroker, monkeypatch: pytest.MonkeyPatch, silent: type[Method]
) -> None:
    monkeypatch.setattr(link_module, "CLOSE_SECONDS", 0.1)
    broker.ignore(silent)

    open_link(broker).close()

    assert broker.caller.ended.wait(SECONDS)


def test_a_close_in_the_middle_of_an_unanswered_call_drops_the_connection(
    broker: PlayedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a call without an answer, behind which pika would let a close wait
    monkeypatch.setattr(link_module, "CALL_SECONDS", 0.1)
    monkeypatch.setattr(link_module, "CLOSE_SECONDS", 0.1)
    broker.ignore(spec.Queue.Bind)
    link = open_link(broker)
    with pytest.raises(BrokerUnavailableError, match="has not answered for 0 s"):
        bind(link)

    link.close()

    assert broker.caller.ended.wait(SECONDS)


def test_a_link_can_be_closed_again(broker: PlayedBroker) -> None:
    link = open_link(broker)

    link.close()
    link.close()


def test_a_link_whose_connection_is_lost_can_be_closed(broker: PlayedBroker) -> None:
    link = open_link(broker)
    broker.caller.hang_up()
    with pytest.raises(amqp.StreamLostError):
        link.run(seconds=SECONDS)

    link.close()

    assert not link.is_open


def test_after_its_channel_alone_is_lost_the_connection_is_closed_too(
    broker: PlayedBroker,
) -> None:
    broker.close_channel(spec.Queue.Bind, 404, "NOT_FOUND - no exchange 'shop'")
    link = open_link(broker)

    with pytest.raises(amqp.ChannelClosedByBroker, match="no exchange 'shop'"):
        bind(link)
    link.close()

    assert broker.caller.ended.wait(SECONDS)
    assert broker.heard(spec.Connection.Close) == 1


@pytest.mark.parametrize("silent", [frame.ProtocolHeader, spec.Connection.Open, spec.Channel.Open])
def test_a_broker_that_lets_nobody_in_is_given_up(
    broker: PlayedBroker, monkeypatch: pytest.MonkeyPatch, silent: type[Method]
) -> None:
    # Given a broker that takes calls, and falls silent
    monkeypatch.setattr(link_module, "OPEN_SECONDS", 0.2)
    monkeypatch.setattr(link_module, "CALL_SECONDS", 0.2)
    monkeypatch.setattr(link_module, "CLOSE_SECONDS", 0.1)
    broker.ignore(silent)

    with pytest.raises(BrokerUnavailableError) as caught:
        open_link(broker)

    assert str(caught.value) == "RabbitMQ at 127.0.0.1 has not answered for 0 s"
    assert broker.caller.ended.wait(SECONDS)


def test_wrong_credentials_are_told_from_a_broker_that_is_away(broker: PlayedBroker) -> None:
    def refuse(caller: Caller, _method: Method) -> None:
        caller.send(spec.Connection.Close(403, "ACCESS_REFUSED - login refused", 0, 0), channel=0)

    broker.answers[spec.Connection.StartOk] = refuse

    with pytest.raises(BrokerRefusedError, match="Invalid credentials"):
        open_link(broker)


def test_who_waits_for_a_slow_broker_says_that_he_is_alive(
    broker: PlayedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "STEP_SECONDS", 0.01)
    signs: list[float] = []

    def answer_late(caller: Caller, method: Method) -> None:
        sleep(0.2)
        caller.answer_as_usual(method)

    broker.answers[spec.Queue.Bind] = answer_late
    link = Link(broker.address, "127.0.0.1", lambda: signs.append(monotonic()))
    signs.clear()

    bind(link)

    assert len(signs) > 5
    link.close()


def test_who_waits_for_a_slow_broker_may_give_up(
    broker: PlayedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "STEP_SECONDS", 0.01)
    broker.ignore(frame.ProtocolHeader)
    began = monotonic()

    def give_up() -> None:
        if monotonic() > began + 0.1:
            raise BrokerUnavailableError("stopped")

    with pytest.raises(BrokerUnavailableError, match="stopped"):
        Link(broker.address, "127.0.0.1", give_up)

    assert broker.caller.ended.wait(SECONDS)


def test_what_others_ask_for_is_done_by_the_thread_that_runs_the_link(
    broker: PlayedBroker,
) -> None:
    link = open_link(broker)
    done: list[str] = []

    def act() -> None:
        done.append("action")
        link.stop()

    Thread(target=link.soon, args=[act]).start()
    link.run(seconds=SECONDS)

    assert done == ["action"]
    link.close()
    link.soon(act)
    assert done == ["action"]


def test_a_run_ends_at_its_time(broker: PlayedBroker) -> None:
    link = open_link(broker)

    link.run(seconds=0)
    link.run(seconds=0.05)

    assert link.is_open
    link.close()


def test_the_reason_of_a_lost_connection_is_raised_by_whatever_waits_for_it(
    broker: PlayedBroker,
) -> None:
    link = open_link(broker)
    shutdown = spec.Connection.Close(320, "CONNECTION_FORCED - broker forced", 0, 0)
    broker.caller.send(shutdown, channel=0)

    for _ in range(2):
        with pytest.raises(amqp.ConnectionClosedByBroker, match="CONNECTION_FORCED"):
            link.run(seconds=SECONDS)
    link.close()


def test_a_host_where_nothing_listens_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    address = PlayedBroker.at(port)

    with pytest.raises(CONNECTION_ERRORS) as caught:
        Link(address, "127.0.0.1")

    assert str(caught.value) == "Unable to connect to RabbitMQ at 127.0.0.1: Connection refused"


@pytest.mark.parametrize(
    ("version", "native"),
    [
        ("4.0.5", False),
        ("4.2.9", False),
        ("4.3.0", False),
        ("4.3.1", True),
        ("4.4.0-rc.1", True),
        ("5.0", True),
        ("unknown", False),
    ],
)
def test_a_broker_that_can_delay_by_itself_is_known_by_its_version(
    broker: PlayedBroker, version: str, *, native: bool
) -> None:
    broker.version = version
    link = open_link(broker)

    assert link.native_retry is native
    link.close()
