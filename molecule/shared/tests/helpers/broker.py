"""The broker through its management interface, as an operator uses it."""

import base64
import json
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from tests.helpers.waiting import wait_until

PORT = 15672
VHOST = quote("/", safe="")
QUEUE = "order-processing"
DEAD_LETTERS = "order-processing-dlq"

Json = dict[str, Any]


class Broker:
    """Management API of the broker."""

    def __init__(self, address: str, user: str, password: str) -> None:
        self._client = httpx.Client(
            base_url=f"http://{address}:{PORT}/api",
            auth=(user, password),
            timeout=20,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def get(self, path: str) -> Any:
        """Return what the API says."""
        return self._client.get(path).raise_for_status().json()

    def put(self, path: str, body: Json) -> None:
        """Create or change something."""
        self._client.put(path, json=body).raise_for_status()

    def post(self, path: str, body: Json) -> Any:
        """Ask for an action; return what the API says, None when that is nothing."""
        answer = self._client.post(path, json=body).raise_for_status()
        return answer.json() if answer.content else None

    def delete(self, path: str) -> None:
        """Delete something."""
        self._client.delete(path).raise_for_status()

    def answers(self) -> bool:
        """Say whether the broker is up."""
        try:
            return bool(self._client.get("/overview").is_success)
        except httpx.HTTPError:
            return False

    @property
    def delays_retries(self) -> bool:
        """Whether its quorum queues delay what is rejected, as from 4.3.1 on."""
        version = self.get("/overview")["rabbitmq_version"]
        return tuple(map(int, version.split(".")[:3])) >= (4, 3, 1)

    def queue(self, name: str = QUEUE) -> Json:
        """Return what a queue holds at this moment."""
        totals = "disable_stats=true&enable_queue_totals=true"
        queue: Json = self.get(f"/queues/{VHOST}/{name}?{totals}")
        return queue

    def details(self, name: str = QUEUE) -> Json:
        """Return all that is known about a queue, its policy in force too; seconds old at worst."""
        queue: Json = self.get(f"/queues/{VHOST}/{name}")
        return queue

    def consumers(self, queue: str = QUEUE) -> list[Json]:
        """Return the consumers of a queue; seconds old at worst.

        RabbitMQ 4.0 goes on to list those of a queue that was deleted, without their channel.
        """
        return [
            consumer
            for consumer in self.get(f"/consumers/{VHOST}")
            if consumer["queue"]["name"] == queue and consumer["channel_details"]
        ]

    def consumer_tags(self) -> set[str]:
        """Return the tags of the order processors; a consumer that began anew has another."""
        return {consumer["consumer_tag"] for consumer in self.consumers()}

    def publish(
        self,
        body: bytes | Json,
        *,
        message_id: str | None = None,
        headers: Mapping[str, object] | None = None,
        content_type: str = "application/json",
    ) -> str:
        """Publish a message to the order processors' queue; return its message id."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        message_id = message_id or f"test-{uuid.uuid4().hex}"
        answer = self.post(
            f"/exchanges/{VHOST}/skillupworks/publish",
            {
                "properties": {
                    "delivery_mode": 2,
                    "message_id": message_id,
                    "content_type": content_type,
                    "headers": dict(headers or {}),
                },
                "routing_key": QUEUE,
                "payload": base64.b64encode(data).decode(),
                "payload_encoding": "base64",
            },
        )
        assert answer == {"routed": True}
        return message_id

    def try_publish(self, queue: str, payload: str) -> bool:
        """Publish a text to a queue; say whether the broker took it."""
        answer = self._client.post(
            f"/exchanges/{VHOST}/amq.default/publish",
            json={"properties": {"delivery_mode": 2}, "routing_key": queue, "payload": payload}
            | {"payload_encoding": "string"},
        )
        return answer.is_success

    def drain(self, queue: str) -> list[str]:
        """Take all messages from a queue; return their texts."""
        messages = self.post(
            f"/queues/{VHOST}/{queue}/get",
            {"count": 1000, "ackmode": "ack_requeue_false", "encoding": "auto"},
        )
        return [message["payload"] for message in messages]

    def parked(self) -> dict[str, Json]:
        """Return the messages in the dead-letter queue by message id; they stay there."""
        messages = self.post(
            f"/queues/{VHOST}/{DEAD_LETTERS}/get",
            {"count": 1000, "ackmode": "ack_requeue_true", "encoding": "auto"},
        )
        return {message["properties"].get("message_id", ""): message for message in messages}

    def wait_for_parked(self, message_id: str) -> Json:
        """Return a message of the dead-letter queue once it is there."""
        return wait_until(
            f"message {message_id} is parked", lambda: self.parked().get(message_id), 20
        )

    def purge_parked(self) -> None:
        """Empty the dead-letter queue."""
        self.delete(f"/queues/{VHOST}/{DEAD_LETTERS}/contents")

    def close(self) -> None:
        """Close what is open."""
        self._client.close()


def order_message(order_id: str | None = None, **changes: object) -> Json:
    """Return a message in the shop's format, with these fields changed; None removes a field."""
    order_id = order_id or f"ORD-{uuid.uuid4().hex[:13]}"
    message: Json = {
        "orderId": order_id,
        "sessionId": "user-session-123",
        "userId": "507f1f77bcf86cd799439011",
        "items": [
            {"sku": "Linux", "name": "Linux Administration", "price": 1999, "quantity": 1},
        ],
        "total": 1999,
        "timestamp": "2024-12-14T10:00:00Z",
        "paymentId": f"pay_{order_id}",
    }
    changed = message | changes
    return {name: value for name, value in changed.items() if value is not None}
