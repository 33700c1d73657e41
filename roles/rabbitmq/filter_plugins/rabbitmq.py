"""Filters of the rabbitmq role: its lists as RabbitMQ's own definitions document."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

Entry = Mapping[str, Any]

QUORUM = {"x-queue-type": "quorum"}


def password_hash(password: str, user: str) -> str:
    """Hash a password as RabbitMQ stores it: base64(salt + sha256(salt + password)).

    The salt is derived from both, so that the same password gives the same document at every run.
    Source: RabbitMQ documentation, "Credentials and Passwords".
    """
    salt = hashlib.sha256(f"{user}:{password}".encode()).digest()[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def wait_queues(queue: Entry) -> list[dict[str, Any]]:
    """Return the queues in which a queue's messages wait for their next attempt.

    One per number of seconds in `retry_delays`: what is published to `NAME.retry.5s` comes back to
    NAME after 5 seconds. It is handed over at least once, which needs reject-publish. The time is
    an argument and no policy because a consumer relies on it.
    """
    return [
        {
            "name": f"{queue['name']}.retry.{seconds}s",
            "vhost": queue.get("vhost", "/"),
            "arguments": {
                "x-message-ttl": seconds * 1000,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": queue["name"],
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            },
        }
        for seconds in queue.get("retry_delays", [])
    ]


def definitions(lists: Mapping[str, Iterable[Entry]]) -> dict[str, list[dict[str, Any]]]:
    """Return the document that `rabbitmqctl import_definitions` takes.

    `lists` holds the role's lists by name without the prefix: vhosts, users, exchanges, queues,
    bindings, policies; see its argument_specs. Everything is durable, every queue is a quorum
    queue, and limits are left to policies unless a queue has them as arguments.
    """
    users = list(lists["users"])
    queues = [each for queue in lists["queues"] for each in (queue, *wait_queues(queue))]
    return {
        "vhosts": [{"name": vhost["name"]} for vhost in lists["vhosts"]],
        "users": [
            {
                "name": user["name"],
                "password_hash": password_hash(user["password"], user["name"]),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": list(user.get("tags", [])),
            }
            for user in users
        ],
        "permissions": [
            {
                "user": user["name"],
                "vhost": permission.get("vhost", "/"),
                "configure": permission["configure"],
                "write": permission["write"],
                "read": permission["read"],
            }
            for user in users
            for permission in user["permissions"]
        ],
        "exchanges": [
            {
                "name": exchange["name"],
                "vhost": exchange.get("vhost", "/"),
                "type": exchange["type"],
                "durable": True,
                "auto_delete": False,
                "arguments": {},
            }
            for exchange in lists["exchanges"]
        ],
        "queues": [
            {
                "name": queue["name"],
                "vhost": queue.get("vhost", "/"),
                "durable": True,
                "auto_delete": False,
                "arguments": QUORUM | dict(queue.get("arguments", {})),
            }
            for queue in queues
        ],
        "bindings": [
            {
                "source": binding["source"],
                "vhost": binding.get("vhost", "/"),
                "destination": binding["destination"],
                "destination_type": "queue",
                "routing_key": binding["routing_key"],
                "arguments": {},
            }
            for binding in lists["bindings"]
        ],
        "policies": [
            {
                "name": policy["name"],
                "vhost": policy.get("vhost", "/"),
                "pattern": policy["pattern"],
                "apply-to": policy.get("apply_to", "quorum_queues"),
                "priority": policy.get("priority", 0),
                "definition": dict(policy["definition"]),
            }
            for policy in lists["policies"]
        ],
    }


def missing_from(
    wanted: Mapping[str, list[dict[str, Any]]], found: Mapping[str, list[dict[str, Any]]]
) -> list[str]:
    """Name what a broker's exported definitions lack of the wanted ones.

    Returns strings such as `queues: order-processing`, none when everything is there as wanted.
    What the broker has beyond that, and further keys of its entries, do not count.
    """
    return [
        f"{kind}: {entry.get('name') or entry.get('destination') or entry.get('user')}"
        for kind, entries in wanted.items()
        for entry in entries
        if not any(
            all(candidate.get(key) == value for key, value in entry.items())
            for candidate in found.get(kind, [])
        )
    ]


class FilterModule:
    """Names under which templates find the filters."""

    def filters(self) -> dict[str, object]:
        """Return the filters by name."""
        return {"rabbitmq_definitions": definitions, "rabbitmq_missing_from": missing_from}
