"""The broker: queues that lose nothing, limits that are in force, interfaces that are closed."""

import re
import shlex
import time
import uuid

import pytest

from tests.helpers.broker import DEAD_LETTERS, QUEUE, VHOST, Broker
from tests.helpers.hosts import Platform
from tests.helpers.waiting import wait_until


@pytest.mark.parametrize("name", [QUEUE, DEAD_LETTERS])
def test_a_queue_is_a_durable_quorum_queue_with_a_leader(broker: Broker, name: str) -> None:
    """Declared with nothing but its type: all else is policy, which can be changed later."""
    queue = broker.queue(name)
    assert queue["type"] == "quorum"
    assert queue["durable"] is True
    assert queue["arguments"] == {"x-queue-type": "quorum"}
    assert queue["leader"] == "rabbit@broker"
    assert queue["policy"] == name


def test_a_message_that_fails_again_and_again_is_parked_and_never_dropped(broker: Broker) -> None:
    """Delivery limit and at-least-once dead-lettering, which needs reject-publish, are in force."""
    expected = {
        "delivery-limit": 20,
        "dead-letter-exchange": "skillupworks.dlx",
        "dead-letter-routing-key": QUEUE,
        "dead-letter-strategy": "at-least-once",
        "overflow": "reject-publish",
        "max-length": 1_000_000,
    }
    if broker.delays_retries:
        expected |= {
            "delayed-retry-type": "failed",
            "delayed-retry-min": 5000,
            "delayed-retry-max": 600_000,
        }
    assert broker.details(QUEUE)["effective_policy_definition"] == expected


def test_looking_at_parked_messages_never_drops_them(broker: Broker) -> None:
    """The dead-letter queue gives up no message, however often it is delivered."""
    policy = broker.details(DEAD_LETTERS)["effective_policy_definition"]
    assert policy["delivery-limit"] >= 1_000_000
    assert policy["overflow"] == "reject-publish"
    assert "message-ttl" not in policy


@pytest.mark.parametrize("seconds", [5, 30, 120, 600])
def test_an_order_that_failed_waits_in_a_queue_with_its_delay(broker: Broker, seconds: int) -> None:
    """The delay and the way back are arguments: the services rely on them when they start."""
    queue = broker.details(f"{QUEUE}.retry.{seconds}s")
    assert queue["arguments"] == {
        "x-queue-type": "quorum",
        "x-message-ttl": seconds * 1000,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": QUEUE,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    assert queue["effective_policy_definition"] == {"max-length": 1_000_000}


def test_what_waits_comes_back_when_its_time_is_over(broker: Broker) -> None:
    """A pair of queues with the same arguments, but a second; it comes when its target is there."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    target, waiting = f"/queues/{VHOST}/{name}", f"/queues/{VHOST}/{name}.retry.1s"
    arguments = broker.queue(f"{QUEUE}.retry.5s")["arguments"]
    arguments |= {"x-message-ttl": 1000, "x-dead-letter-routing-key": name}
    broker.put(target, {"durable": True, "arguments": {"x-queue-type": "quorum"}})
    broker.put(waiting, {"durable": True, "arguments": arguments})
    try:
        published = time.monotonic()
        assert broker.try_publish(f"{name}.retry.1s", "again")
        came_back = wait_until("the message is back", lambda: broker.drain(name), 10)
        waited = time.monotonic() - published
    finally:
        broker.delete(waiting)
        broker.delete(target)
    assert came_back == ["again"]
    assert waited >= 1


def test_an_order_reaches_the_queue_through_the_exchange(broker: Broker) -> None:
    """A durable direct exchange with the binding that payment's routing key needs."""
    exchange = broker.get(f"/exchanges/{VHOST}/skillupworks")
    assert (exchange["type"], exchange["durable"], exchange["auto_delete"]) == (
        "direct",
        True,
        False,
    )
    bindings = broker.get(f"/bindings/{VHOST}/e/skillupworks/q/{QUEUE}")
    assert {binding["routing_key"] for binding in bindings} >= {"order.created", QUEUE}


def test_a_full_queue_refuses_instead_of_dropping(broker: Broker) -> None:
    """Reject-publish as the policy says it: of three messages two are kept, none is replaced."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    queue = f"/queues/{VHOST}/{name}"
    policy = f"/policies/{VHOST}/{name}"
    limits = dict(broker.details(QUEUE)["effective_policy_definition"]) | {"max-length": 2}
    broker.put(policy, {"pattern": f"^{name}$", "definition": limits, "apply-to": "quorum_queues"})
    broker.put(queue, {"durable": True, "arguments": {"x-queue-type": "quorum"}})
    try:
        wait_until("the queue has its policy", lambda: broker.queue(name).get("policy") == name)
        answers = [broker.try_publish(name, f"{number}") for number in range(6)]
        kept = broker.drain(name)
    finally:
        broker.delete(queue)
        broker.delete(policy)
    # A quorum queue notices its limit a little late; but what it confirmed it has, and no more.
    assert answers[:2] == [True, True]
    assert answers[-1] is False
    assert kept == [str(number) for number, accepted in enumerate(answers) if accepted]


def test_memory_disk_and_file_limits_are_those_of_the_role(
    platform: Platform, broker: Broker
) -> None:
    """The broker itself names the limits it works with."""
    (node,) = broker.get("/nodes")
    assert node["mem_limit"] == 1024**3
    assert node["disk_free_limit"] == 10**9
    assert (node["mem_alarm"], node["disk_free_alarm"]) == (False, False)
    largest = "application:get_env(rabbit, max_message_size)."
    answer = platform.run(platform.only("rabbitmq"), f"rabbitmqctl eval {shlex.quote(largest)}")
    assert answer == f"{{ok,{1024**2}}}"
    # The lab's machine may allow fewer files than the role asks for.
    unit = platform.run(
        platform.only("rabbitmq"), "systemctl show rabbitmq-server -p LimitNOFILE,Restart"
    )
    limit = int(re.findall(r"LimitNOFILE=(\d+)", unit)[0])
    assert min(limit, 65536) >= 16384
    assert "Restart=always" in unit


def test_management_and_prometheus_plugins_are_on(platform: Platform, broker: Broker) -> None:
    """Both are enabled by name, and answer."""
    names = broker.get("/overview")["listeners"]
    assert {"http", "http/prometheus"} <= {listener["protocol"] for listener in names}
    metrics = platform.run(
        platform.only("rabbitmq"),
        "bash -c 'exec 3<>/dev/tcp/127.0.0.1/15692;"
        r' printf "GET /metrics HTTP/1.0\r\n\r\n" >&3; cat <&3'
        "'",
    )
    assert "rabbitmq_build_info" in metrics


def test_no_user_can_do_more_than_it_must(broker: Broker) -> None:
    """The services' user administrates nothing; the administrator is the only one who does."""
    tags = {user["name"]: user["tags"] for user in broker.get("/users")}
    assert tags == {"skillupworks": [], "admin": ["administrator"]}


def test_the_broker_starts_with_its_host(platform: Platform) -> None:
    """The unit is enabled."""
    assert platform[platform.only("rabbitmq")].service("rabbitmq-server").is_enabled
