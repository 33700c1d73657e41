"""Connections to the broker, and what their errors mean."""

import re
import socket
from dataclasses import dataclass
from typing import Self

import pika
from pika import exceptions as amqp
from pika.adapters.blocking_connection import BlockingConnection
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPError

from skillupworks.errors import BrokerRefusedError, BrokerUnavailableError
from skillupworks.messaging import field_tables
from skillupworks.runtime.settings import BrokerSettings

__all__ = ["CONNECTION_ERRORS", "Broker", "describe", "unavailable"]

# What is raised when the connection or channel is not, or no longer, there. pika's errors of
# connecting are neither of its own family nor of the system's.
CONNECTION_ERRORS = (AMQPError, AMQPConnectorException, OSError, BrokerUnavailableError)

# A dead connection is noticed after at most 2 x (heartbeat + 5 s). That, and an attempt to
# connect, must be shorter than systemd's watchdog (30 s), which is not fed meanwhile.
HEARTBEAT_SECONDS = 8
CONNECT_SECONDS = 5
HANDSHAKE_SECONDS = 10
# how long a publisher waits while the broker blocks publishers (memory or disk alarm)
BLOCKED_SECONDS = 15

ACCESS_REFUSED = 403
NOT_ALLOWED = 530


@dataclass(frozen=True)
class Broker:
    """Address and credentials of the broker, and the name its connection list shows us by."""

    hosts: tuple[str, ...]
    port: int
    user: str
    password: str
    vhost: str
    client: str

    def __repr__(self) -> str:
        """Leave the password out, wherever this ends up."""
        return f"Broker({self.user}@{','.join(self.hosts)}:{self.port}{self.vhost})"

    @classmethod
    def from_settings(cls, settings: BrokerSettings, client: str) -> Self:
        """Take the broker's part of a service's settings."""
        return cls(
            hosts=settings.rabbitmq_hosts,
            port=settings.rabbitmq_port,
            user=settings.rabbitmq_user,
            password=settings.rabbitmq_pass.get_secret_value(),
            vhost=settings.rabbitmq_vhost,
            client=client,
        )

    def parameters(self, host: str) -> pika.ConnectionParameters:
        """Return what pika needs to connect to `host`."""
        field_tables.repair()
        return pika.ConnectionParameters(
            host=host,
            port=self.port,
            virtual_host=self.vhost,
            credentials=pika.PlainCredentials(self.user, self.password),
            heartbeat=HEARTBEAT_SECONDS,
            socket_timeout=CONNECT_SECONDS,
            stack_timeout=HANDSHAKE_SECONDS,
            blocked_connection_timeout=BLOCKED_SECONDS,
            client_properties={"connection_name": f"{self.client}@{socket.gethostname()}"},
        )

    def connect(self, host: str) -> BlockingConnection:
        """Return an open blocking connection to `host`, for tools; the calling thread owns it.

        Raises BrokerRefusedError when the broker does not let us in, BrokerUnavailableError when
        it cannot be reached, both with a line that names the host.
        """
        try:
            return BlockingConnection(self.parameters(host))
        except CONNECTION_ERRORS as error:
            raise unavailable(error, host, self.user) from error


def unavailable(error: BaseException, host: str, user: str) -> BrokerUnavailableError:
    """Return our error for one of pika's, with a line an operator can act on."""
    error = _cause(error)
    if isinstance(error, BrokerUnavailableError):
        return error
    if isinstance(error, amqp.ProbableAuthenticationError | amqp.AuthenticationError):
        return BrokerRefusedError(
            f"Access refused for user '{user}' at RabbitMQ {host}: Invalid credentials"
        )
    code = getattr(error, "reply_code", None)
    if isinstance(error, amqp.ProbableAccessDeniedError) or code in (ACCESS_REFUSED, NOT_ALLOWED):
        return BrokerRefusedError(
            f"Access refused for user '{user}' at RabbitMQ {host}: {describe(error)}"
        )
    return BrokerUnavailableError(f"Unable to connect to RabbitMQ at {host}: {describe(error)}")


def describe(error: BaseException) -> str:
    """Return one line for an error of the client library."""
    if isinstance(error, amqp.ConnectionClosed | amqp.ChannelClosed):
        return f"{error.reply_text} ({error.reply_code})"
    if isinstance(error, amqp.AMQPHeartbeatTimeout):
        return "no heartbeat from the broker"
    if isinstance(error, amqp.ConnectionBlockedTimeout):
        return f"the broker has blocked publishers for {BLOCKED_SECONDS} s"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    # pika wraps what happened, in an attribute or among the arguments
    for inner in (getattr(error, "exception", None), *error.args):
        if isinstance(inner, BaseException):
            return describe(inner)
    return _words(str(error.args[0] if error.args else "")) or type(error).__name__


def _cause(error: BaseException) -> BaseException:
    """Return what went wrong, out of the wrappers that pika puts around it while connecting."""
    inner = getattr(error, "exceptions", None) or [getattr(error, "exception", None)]
    if isinstance(inner[-1], BaseException):
        return _cause(inner[-1])
    if isinstance(error, amqp.AMQPConnectionError) and error.args:
        first = error.args[0]
        if isinstance(first, BaseException):
            return _cause(first)
    return error


def _words(text: str) -> str:
    """Return the words in a text of pika's that quotes an exception or a socket address."""
    if quoted := re.search(r"Error\(\d+, ['\"](.+?)['\"]\)", text):
        return quoted[1]
    return text.partition(": '")[0]
