"""A broker that is played: it speaks AMQP on a real socket, and does what a test tells it to.

What RabbitMQ does every day is tested with RabbitMQ. This one does what it seldom does: it falls
silent in the middle, refuses, answers late, or goes away.
"""

import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from typing import Any

from pika import frame, spec

from skillupworks.messaging.connection import Broker

from .waiting import wait_until

FRAME_BYTES = 131_072
VERSION = "4.0.5"

Method = Any  # pika's classes of methods have no common one that is public
Answer = Callable[["Caller", Method], None]

ABILITIES: Any = {"publisher_confirms": True, "basic.nack": True, "consumer_cancel_notify": True}

# what a broker says to what
USUAL: dict[type[Method], Callable[[Method], Method]] = {
    spec.Connection.StartOk: lambda _: spec.Connection.Tune(2047, FRAME_BYTES, 60),
    spec.Connection.Open: lambda _: spec.Connection.OpenOk(),
    spec.Connection.Close: lambda _: spec.Connection.CloseOk(),
    spec.Channel.Open: lambda _: spec.Channel.OpenOk(),
    spec.Channel.Close: lambda _: spec.Channel.CloseOk(),
    spec.Exchange.Declare: lambda _: spec.Exchange.DeclareOk(),
    spec.Queue.Declare: lambda method: spec.Queue.DeclareOk(method.queue, 7, 1),
    spec.Queue.Bind: lambda _: spec.Queue.BindOk(),
    spec.Basic.Qos: lambda _: spec.Basic.QosOk(),
    spec.Basic.Consume: lambda method: spec.Basic.ConsumeOk(method.consumer_tag),
    spec.Confirm.Select: lambda _: spec.Confirm.SelectOk(),
}


class Caller:
    """One connection that was made to the broker."""

    def __init__(self, broker: "PlayedBroker", connection: socket.socket) -> None:
        self._broker = broker
        self._socket = connection
        self._content: list[Any] = []
        self._last_tag = 0
        self._last_publish = 0
        self.heard: list[Method] = []
        self.published: list[tuple[spec.Basic.Publish, spec.BasicProperties, bytes]] = []
        self.consumers: list[str] = []
        self.ended = Event()

    def start(self) -> None:
        """Begin to listen."""
        Thread(target=self._run, daemon=True).start()

    def count(self, kind: type[Method]) -> int:
        """Return how often this was heard."""
        return sum(isinstance(method, kind) for method in list(self.heard))

    def of(self, kind: type[Method]) -> list[Method]:
        """Return what was heard of this kind."""
        return [method for method in list(self.heard) if isinstance(method, kind)]

    def acknowledged(self) -> list[int]:
        """Return the tags of what was acknowledged, alone or together with others."""
        tags: set[int] = set()
        for ack in self.of(spec.Basic.Ack):
            tags.update(range(1 if ack.multiple else ack.delivery_tag, ack.delivery_tag + 1))
        return sorted(tags)

    def send(self, method: Method, channel: int = 1) -> None:
        """Say something."""
        self._write(frame.Method(channel, method).marshal())

    def deliver(self, *bodies: bytes, **properties: Any) -> None:
        """Deliver messages to the consumer, with tags from 1, in one go."""
        self._write(b"".join(self._message(body, properties) for body in bodies))

    def give_back(self, number: int) -> None:
        """Return the message that was published as this one, counted from 0."""
        publish, properties, body = self.published[number]
        method = spec.Basic.Return(312, "NO_ROUTE", publish.exchange, publish.routing_key)
        header = frame.Header(1, len(body), properties)
        content = frame.Body(1, body).marshal()
        self._write(frame.Method(1, method).marshal() + header.marshal() + content)

    def hang_up(self) -> None:
        """Break the connection."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _message(self, body: bytes, properties: dict[str, Any]) -> bytes:
        self._last_tag += 1
        deliver = spec.Basic.Deliver(self.consumers[-1], self._last_tag, False, "shop", "orders")
        header = frame.Header(1, len(body), spec.BasicProperties(**properties))
        content = frame.Body(1, body).marshal() if body else b""
        return frame.Method(1, deliver).marshal() + header.marshal() + content

    def _run(self) -> None:
        buffer = b""
        with suppress(OSError), self._socket:
            while data := self._socket.recv(65_536):
                buffer += data
                while True:
                    length, found = frame.decode_frame(buffer)
                    if found is None:
                        break
                    buffer = buffer[length:]
                    self._take(found)
        self.ended.set()

    def _take(self, found: Any) -> None:
        if isinstance(found, frame.ProtocolHeader):
            self._answer(found)
        elif isinstance(found, frame.Method):
            if isinstance(found.method, spec.Basic.Publish):
                self._content = [found.method]
            else:
                self._answer(found.method)
        elif isinstance(found, frame.Header):
            self._content += [found, b""]
        elif isinstance(found, frame.Body):
            self._content[2] += found.fragment
        if len(self._content) == 3 and len(self._content[2]) == self._content[1].body_size:
            publish, header, body = self._content
            self._content = []
            self._last_publish += 1
            self.published.append((publish, header.properties, body))
            self._answer(publish)

    def _answer(self, method: Method) -> None:
        self.heard.append(method)
        for kind, answer in self._broker.answers.items():
            if isinstance(method, kind):
                answer(self, method)
                return
        self.answer_as_usual(method)

    def answer_as_usual(self, method: Method) -> None:
        """Say what a broker says."""
        if isinstance(method, frame.ProtocolHeader):
            properties = {"version": self._broker.version, "capabilities": ABILITIES}
            self.send(spec.Connection.Start(0, 9, properties, "PLAIN", "en_US"), channel=0)
        elif isinstance(method, spec.Basic.Publish):
            self.send(spec.Basic.Ack(self._last_publish))
        elif answer := USUAL.get(type(method)):
            self.send(answer(method), channel=0 if "Connection" in method.NAME else 1)
        if isinstance(method, spec.Basic.Consume):
            self.consumers.append(method.consumer_tag)

    def _write(self, data: bytes) -> None:
        with suppress(OSError):  # it has gone, as far as the test is concerned
            self._socket.sendall(data)


class PlayedBroker:
    """Listens on a port of this machine; `answers` are given instead of the usual ones."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.version = VERSION
        self.callers: list[Caller] = []
        self.answers: dict[type[Method], Answer] = {}
        Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> Broker:
        """What one needs to connect to it."""
        return self.at(self._server.getsockname()[1])

    @staticmethod
    def at(port: int) -> Broker:
        """Return what one needs to connect to this port."""
        return Broker(("127.0.0.1",), port, "skillupworks", "s3cret", "/", "test")

    @property
    def caller(self) -> Caller:
        """The latest connection, once there is one."""
        wait_until(lambda: bool(self.callers))
        return self.callers[-1]

    def consuming(self, number: int = 1) -> Caller:
        """Return the connection that has a consumer as the so-manieth one."""

        def callers() -> list[Caller]:
            return [caller for caller in self.callers if caller.consumers]

        wait_until(lambda: len(callers()) >= number)
        return callers()[number - 1]

    def ignore(self, *kinds: type[Method]) -> None:
        """Do not answer these."""
        for kind in kinds:
            self.answers[kind] = lambda _caller, _method: None

    def close_channel(self, kind: type[Method], code: int, text: str) -> None:
        """Answer this by closing the channel."""
        self.answers[kind] = lambda caller, _method: caller.send(
            spec.Channel.Close(code, text, 0, 0)
        )

    def heard(self, kind: type[Method]) -> int:
        """Return how often this was heard on all connections."""
        return sum(caller.count(kind) for caller in self.callers)

    def close(self) -> None:
        """Break all connections and listen no more."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)  # ends the wait for a call, as a close does not
        self._server.close()
        for caller in self.callers:
            caller.hang_up()
            assert caller.ended.wait(10)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self.callers.append(Caller(self, connection))
                self.callers[-1].start()
