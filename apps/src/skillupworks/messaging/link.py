"""An open connection to the broker with one channel, driven by the thread that opened it.

pika's SelectConnection is used and not BlockingConnection: a publish need not wait for its
confirm, and a delivery costs a third of the time. `call` and `run` give it back what is pleasant
about the other: code that reads from top to bottom, and errors that are raised.
"""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any

from pika.adapters.select_connection import IOLoop

from skillupworks.errors import BrokerUnavailableError
from skillupworks.messaging.connection import CONNECTION_ERRORS, Broker, unavailable
from skillupworks.messaging.corking import CorkableConnection

if TYPE_CHECKING:
    from pika.channel import Channel

__all__ = ["Link"]

# the name of the host is looked up, each of its addresses is tried, and AMQP is begun
OPEN_SECONDS = 20.0
# an answer of the broker to a declaration; a leader may just be elected
CALL_SECONDS = 15.0
# the broker's answer to a close; without it the connection is dropped
CLOSE_SECONDS = 2.0
DROP_SECONDS = 0.5
# how often somebody who waits here says that he is alive
STEP_SECONDS = 1.0

# From here on a quorum queue itself delays a message that is rejected, if it has a policy that says
# so, which 4.3.0 does not take.
# Sources: https://www.rabbitmq.com/docs/quorum-queues#delayed-retry, rabbitmq-server#16394
NATIVE_RETRY = (4, 3, 1)


def _nothing() -> None:
    pass


class Link:
    """A connection and its channel.

    `soon` may be called from any thread, everything else belongs to the thread that opened the
    link. Every method that waits raises one of CONNECTION_ERRORS when the connection or the channel
    is lost meanwhile.
    """

    def __init__(self, broker: Broker, host: str, alive: Callable[[], None] = _nothing) -> None:
        """Connect to `host` and open the channel.

        `alive` is called every second while the broker is waited for, here and in `call`; it may
        raise BrokerUnavailableError to give up. Raises BrokerRefusedError when the broker does not
        let us in, BrokerUnavailableError when it cannot be reached, both with a line that names the
        host.
        """
        self.host = host
        self.blocked = False
        self._alive = alive
        self._failure: BaseException | None = None
        self._lock = Lock()
        self._closed = False
        self._loop = IOLoop()
        self._connection = CorkableConnection(
            broker.parameters(host),
            on_open_callback=lambda _connection: self._loop.stop(),
            on_open_error_callback=self._lost,
            on_close_callback=self._lost,
            custom_ioloop=self._loop,
        )
        self._connection.add_on_connection_blocked_callback(partial(self._on_blocked, blocked=True))
        self._connection.add_on_connection_unblocked_callback(
            partial(self._on_blocked, blocked=False)
        )
        try:
            self._wait(lambda: self._connection.is_open, OPEN_SECONDS)
            self.channel: Channel = self._open_channel()
        except CONNECTION_ERRORS as error:
            self.close()
            raise unavailable(error, host, broker.user) from error

    @property
    def is_open(self) -> bool:
        """Whether the channel was usable when the link was last driven."""
        return self._failure is None and self.channel.is_open

    @property
    def native_retry(self) -> bool:
        """Whether quorum queues of this broker can delay what is rejected, as a policy says."""
        return self.version >= NATIVE_RETRY

    @property
    def version(self) -> tuple[int, ...]:
        """The broker's version, such as (4, 0, 5)."""
        properties = self._connection.server_properties or {}
        text = properties.get("version", "0")
        numbers = re.match(r"[0-9.]+", text.decode() if isinstance(text, bytes) else str(text))
        return tuple(int(part) for part in numbers[0].split(".") if part) if numbers else ()

    def call(self, method: Callable[..., object], *args: Any, **options: Any) -> Any:  # noqa: ANN401 - whatever the method answers
        """Call a method of the channel and return the broker's answer to it."""
        answers: list[Any] = []

        def on_answer(*answer: Any) -> None:  # noqa: ANN401
            answers.append(answer[-1] if answer else None)
            self._loop.stop()

        method(*args, **options, callback=on_answer)
        self._wait(lambda: bool(answers), CALL_SECONDS)
        return answers[0]

    def reopen(self) -> None:
        """Open another channel in place of one that the broker has closed."""
        self._failure = None
        self.channel = self._open_channel()

    def corked(self) -> AbstractContextManager[None]:
        """Send what is published within the block with few system calls, at its end."""
        return self._connection.corked()

    def run(self, seconds: float | None = None) -> None:
        """Exchange data with the broker until `stop`, or for so many seconds."""
        timer = None if seconds is None else self._loop.call_later(seconds, self._loop.stop)
        try:
            if self._failure is None:
                self._loop.start()
        finally:
            if timer is not None:
                self._loop.remove_timeout(timer)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Make `run` return; for callbacks that run within it."""
        self._loop.stop()

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` from within `run`, once, after so many seconds."""
        self._loop.call_later(seconds, action)

    def soon(self, action: Callable[[], None]) -> None:
        """Call `action` from within `run`; nothing happens when the link is closed."""
        with self._lock:
            if not self._closed:
                self._loop.add_callback_threadsafe(action)

    def close(self) -> None:
        """Close the connection, whatever state it is in; what was not acknowledged goes back."""
        if self._connection.is_open:
            with suppress(*CONNECTION_ERRORS):  # it may be on its way down already
                self._connection.close()
            self._await_end(CLOSE_SECONDS)
        if not self._connection.is_closed:
            self._drop()
            self._await_end(DROP_SECONDS)
        with self._lock:
            if not self._closed:
                self._closed = True
                self._loop.close()

    def _open_channel(self) -> "Channel":
        channel = self.call(lambda callback: self._connection.channel(on_open_callback=callback))
        channel.add_on_close_callback(self._lost)
        return channel  # type: ignore[no-any-return]

    def _wait(self, condition: Callable[[], bool], seconds: float) -> None:
        """Exchange data until the condition holds; BrokerUnavailableError after so many seconds."""
        end = monotonic() + seconds
        while not condition():
            self._alive()
            left = end - monotonic()
            if left <= 0:
                raise BrokerUnavailableError(
                    f"RabbitMQ at {self.host} has not answered for {seconds:.0f} s"
                )
            self.run(seconds=min(left, STEP_SECONDS))

    def _drop(self) -> None:
        """Break a connection that is being opened, or on which nobody answers.

        An open socket that nobody serves would keep the broker from giving our messages to somebody
        else. pika offers no way to do so, and stumbles over a `close` while it connects.
        """
        given_up = BrokerUnavailableError("given up")
        with suppress(*CONNECTION_ERRORS):
            self._connection._terminate_stream(given_up)  # type: ignore[attr-defined]  # noqa: SLF001

    def _await_end(self, seconds: float) -> None:
        """Exchange data until the connection is closed, or for so many seconds."""
        end = monotonic() + seconds
        while not self._connection.is_closed and (left := end - monotonic()) > 0:
            timer = self._loop.call_later(left, self._loop.stop)
            self._loop.start()  # ends early when somebody has called `stop`
            self._loop.remove_timeout(timer)

    def _lost(self, _where: object, error: "BaseException | str") -> None:
        """Note why the connection or channel has ended, the first reason if there are several."""
        if self._failure is None:
            self._failure = (
                error if isinstance(error, BaseException) else BrokerUnavailableError(error)
            )
        self._loop.stop()

    def _on_blocked(self, _connection: object, _frame: object, *, blocked: bool) -> None:
        self.blocked = blocked
