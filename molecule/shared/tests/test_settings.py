"""Wrong settings and a wrong topology: a service says so in one line, and does not start."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.helpers.broker import Broker
from tests.helpers.hosts import Platform
from tests.helpers.services import Service
from tests.helpers.waiting import wait_until

EX_CONFIG = "78"
VHOST = "test-topology"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("UnsetEnvironment=RABBITMQ_HOST", "RABBITMQ_HOST: is required"),
        (
            "Environment=RABBITMQ_PREFETCH=0",
            "RABBITMQ_PREFETCH: must be between 1 and 2000, got '0'",
        ),
    ],
)
def test_the_order_processor_names_the_wrong_setting_and_stays_down(
    processors: list[Service], lines: str, said: str
) -> None:
    """One line in the journal, and systemd shows the unit as failed."""
    service = processors[-1]
    with service.changed(lines):
        _assert_refused(service, [said])


def test_payment_names_the_wrong_setting_and_stays_down(payment: Service) -> None:
    """The same for the service with HTTP, and for what a setting leads to."""
    with payment.changed("Environment=SHIPPING_METHODS_FILE=/nowhere.json"):
        _assert_refused(
            payment, ["SHIPPING_METHODS_FILE: /nowhere.json: No such file or directory"]
        )


def test_all_wrong_settings_are_named_at_once(processors: list[Service]) -> None:
    """Nobody has to start it twice to find the second mistake."""
    service = processors[-1]
    with service.changed("Environment=RABBITMQ_PREFETCH=many OPS_PORT=-1"):
        _assert_refused(
            service,
            [
                "RABBITMQ_PREFETCH: must be between 1 and 2000, got 'many'",
                "OPS_PORT: must be between 1 and 65535, got '-1'",
            ],
        )


@pytest.mark.parametrize(
    ("unit", "change", "said"),
    [
        ("payment", "HTTP_PORT=0", "HTTP_PORT: must be between 1 and 65535, got '0'"),
        ("payment", "RABBITMQ_PORT=amqp", "RABBITMQ_PORT: must be between 1 and 65535, got 'amqp'"),
        ("payment", "RABBITMQ_PASS=", "RABBITMQ_PASS: is required"),
        ("payment", "REDIS_PASS=", "REDIS_PASS: is required"),
        ("payment", "CATALOGUE_URL=", "CATALOGUE_URL: is required"),
        ("payment", "SHIPPING_URL=", "SHIPPING_URL: is required"),
        ("payment", "GATEWAY_WEBHOOK_SECRET=", "GATEWAY_WEBHOOK_SECRET: is required"),
        ("order-processor", "RABBITMQ_HOST=", "RABBITMQ_HOST: is required"),
        ("order-processor", "MYSQL_PASS=", "MYSQL_PASS: is required"),
        (
            "order-processor",
            "RABBITMQ_PREFETCH=0",
            "RABBITMQ_PREFETCH: must be between 1 and 2000, got '0'",
        ),
    ],
)
def test_check_config_says_whether_a_service_would_start(
    platform: Platform, payment: Service, unit: str, change: str, said: str
) -> None:
    """Its exit status and its lines are those of the unit; nothing is started for it."""
    service = Service(platform, payment.host, unit)
    check = f"/opt/skillupworks/current/bin/{unit} --check-config"
    assert service.run(f"{service.environment()} {check}") == "configuration ok"
    answer = platform[service.host].run(f"{service.environment()} {change} {check}")
    assert (answer.rc, answer.stderr.splitlines()) == (int(EX_CONFIG), [said])


@pytest.fixture
def vhost(broker: Broker) -> Iterator[str]:
    """Make a virtual host that the services' user may use; return its path for the API."""
    broker.put(f"/vhosts/{VHOST}", {"default_queue_type": "classic"})
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    broker.put(f"/permissions/{VHOST}/skillupworks", everything)
    yield VHOST
    broker.delete(f"/vhosts/{VHOST}")


def test_a_queue_of_the_wrong_type_stops_the_order_processor(
    processors: list[Service], broker: Broker, vhost: str
) -> None:
    """It neither uses nor replaces the queue, and says what is wrong with it."""
    name = "order-processing"
    broker.put(
        f"/queues/{vhost}/{name}", {"durable": True, "arguments": {"x-queue-type": "classic"}}
    )
    service = processors[-1]
    with service.changed(f"Environment=RABBITMQ_VHOST={vhost}"):
        wait_until(f"{service} has failed", lambda: service.state == "failed")
        assert service.show("ExecMainStatus") == {"ExecMainStatus": EX_CONFIG}
        (error,) = [line for line in _journal(service) if name in line]
    assert error.startswith(f"queue '{name}' exists, but is not a durable quorum queue")
    assert broker.get(f"/queues/{vhost}/{name}")["type"] == "classic"


def test_a_missing_queue_is_created_when_the_order_processor_starts(
    processors: list[Service], broker: Broker, vhost: str
) -> None:
    """With its exchange, its binding and its dead-letter queue, as the guide promises."""
    service = processors[-1]
    with service.changed(f"Environment=RABBITMQ_VHOST={vhost}"):
        service.wait_until_ready()
    queues = {queue["name"]: queue["type"] for queue in broker.get(f"/queues/{quote(vhost)}")}
    delays = () if broker.delays_retries else (5, 30, 120, 600)
    waits = {f"order-processing.retry.{seconds}s": "quorum" for seconds in delays}
    assert queues == {"order-processing": "quorum", "order-processing-dlq": "quorum"} | waits
    bindings = broker.get(f"/bindings/{vhost}/e/skillupworks/q/order-processing")
    assert "order.created" in [binding["routing_key"] for binding in bindings]


def _journal(service: Service) -> list[str]:
    """Return what the service wrote in its last run."""
    lines = f"journalctl --quiet --output=cat --identifier={service.unit}"
    return service.run(f"{lines} _SYSTEMD_INVOCATION_ID={service.invocation}").splitlines()


def _assert_refused(service: Service, lines: list[str]) -> None:
    assert service.state == "failed"
    assert service.show("ExecMainStatus", "Result") == {
        "ExecMainStatus": EX_CONFIG,
        "Result": "exit-code",
    }
    assert _journal(service) == lines
