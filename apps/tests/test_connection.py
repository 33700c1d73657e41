"""What pika raises becomes one line that an operator can act on, and that a runbook greps for."""

import socket

import pytest
from pika import exceptions as amqp
from pika.adapters.utils.connection_workflow import AMQPConnectorSocketConnectError

from skillupworks.errors import BrokerRefusedError, BrokerUnavailableError
from skillupworks.messaging.connection import Broker, describe, unavailable


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (
            amqp.AMQPConnectionError(
                AMQPConnectorSocketConnectError(ConnectionRefusedError(111, "Connection refused"))
            ),
            "Connection refused",
        ),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (
            amqp.StreamLostError(
                "Stream connection lost: ConnectionResetError(104, 'Connection reset by peer')"
            ),
            "Connection reset by peer",
        ),
        (
            AMQPConnectorSocketConnectError(
                TimeoutError("TCP connection attempt timed out: '10.0.0.2'/(<AddressFamily…>)")
            ),
            "TCP connection attempt timed out",
        ),
        (amqp.ConnectionClosedByBroker(320, "CONNECTION_FORCED"), "CONNECTION_FORCED (320)"),
        (amqp.AMQPHeartbeatTimeout("no activity"), "no heartbeat from the broker"),
        (amqp.AMQPConnectionError(), "AMQPConnectionError"),
    ],
)
def test_an_error_is_described_in_its_own_words(error: Exception, line: str) -> None:
    assert describe(error) == line


@pytest.mark.parametrize(
    "error",
    [
        amqp.ProbableAuthenticationError("ConnectionClosedByBroker: (403) 'ACCESS_REFUSED'"),
        amqp.ConnectionClosedByBroker(403, "ACCESS_REFUSED - login refused"),
        amqp.ConnectionClosedByBroker(530, "NOT_ALLOWED - vhost /nothing not found"),
        amqp.ChannelClosedByBroker(403, "ACCESS_REFUSED - configure access to queue refused"),
    ],
)
def test_credentials_vhost_and_permissions_are_told_from_a_broker_that_is_away(
    error: Exception,
) -> None:
    refused = unavailable(error, "10.0.0.2", "skillupworks")

    assert isinstance(refused, BrokerRefusedError)
    assert str(refused).startswith("Access refused for user 'skillupworks' at RabbitMQ 10.0.0.2: ")


def test_a_broker_that_is_away_is_named() -> None:
    # nothing listens on the discard port
    broker = Broker(("127.0.0.1",), 9, "skillupworks", "s3cret", "/", "test")

    with pytest.raises(BrokerUnavailableError) as caught:
        broker.connect("127.0.0.1")

    line = "Unable to connect to RabbitMQ at 127.0.0.1: Connection refused"
    assert line == str(caught.value)
    assert "s3cret" not in repr(broker)
