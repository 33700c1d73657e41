"""Stand-ins for the interfaces around a worker: a session, a publisher, and a process."""

from collections.abc import Callable, Sequence
from threading import Event, Lock
from typing import Any, cast

from prometheus_client import CollectorRegistry

from skillupworks.errors import BrokerUnavailableError
from skillupworks.messaging.declaration import Declaration
from skillupworks.messaging.message import Delivery, Outcome, Outgoing, Work
from skillupworks.messaging.metrics import ConsumerMetrics
from skillupworks.messaging.publisher import Publisher, PublishError
from skillupworks.messaging.session import Session, Ticket
from skillupworks.messaging.sidetrack import Sidetrack
from skillupworks.messaging.topology import QueueTopology

TOPOLOGY = QueueTopology("orders", "shop", ("orders",), "shop.dlx", "orders-dlq")


class StubSession:
    """A session that notes what is acknowledged and what is given back."""

    def __init__(self, *, native_retry: bool = False) -> None:
        self.over = Event()
        self.native_retry = native_retry
        self.in_flight = 0
        self.settled = 0
        self.acknowledgements: list[list[int]] = []
        self.given_back: list[int] = []

    @property
    def acknowledged(self) -> list[int]:
        """All tags, in the order in which they were acknowledged."""
        return [tag for tags in self.acknowledgements for tag in tags]

    def acknowledge(self, tags: Sequence[int]) -> None:
        self.acknowledgements.append(list(tags))

    def give_back(self, tags: Sequence[int]) -> None:
        self.given_back += tags

    def tickets(self, *deliveries: Delivery) -> list[Ticket]:
        """Return deliveries of this session, with tags from 1."""
        session = cast("Session", self)
        return [Ticket(delivery, tag, session) for tag, delivery in enumerate(deliveries, start=1)]


class MemoryPublisher:
    """A publisher that keeps what it is given.

    `away` makes that many attempts fail; `outcomes` are given, by routing key, instead of success.
    """

    def __init__(self) -> None:
        self.published: list[Outgoing] = []
        self.portions: list[int] = []
        self.away = 0
        self.outcomes: dict[str, PublishError] = {}
        self.confirm: Callable[[], None] = lambda: None
        self.served = 0
        self.closed = 0

    def publish_many(self, messages: Sequence[Outgoing]) -> list[PublishError | None]:
        if self.away:
            self.away -= 1
            raise BrokerUnavailableError("Unable to connect to RabbitMQ at 10.0.0.2: gone")
        self.confirm()
        self.portions.append(len(messages))
        outcomes = [self.outcomes.get(message.routing_key) for message in messages]
        self.published += [
            message for message, outcome in zip(messages, outcomes, strict=True) if outcome is None
        ]
        return outcomes

    def serve(self) -> None:
        self.served += 1

    def close(self) -> None:
        self.closed += 1

    def sidetrack(self, *retry_delays: int) -> Sidetrack:
        """Return a sidetrack that publishes here."""
        return Sidetrack(cast("Publisher", self), TOPOLOGY, retry_delays)


class StubProcess:
    """A process without effect that notes its calls; `problem` is what it needs and lacks.

    `errors` has what a message ends with, by its text; `error` what everything ends with.
    """

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.attempts: list[int] = []
        self.problem: str | None = None
        self.error: BaseException | None = None
        self.errors: dict[str, BaseException] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.during: Callable[[list[str]], None] = lambda _texts: None
        self._lock = Lock()

    def __call__(self, batch: Sequence[Work[str]]) -> list[Outcome]:
        texts = [work.message for work in batch]
        with self._lock:
            self.calls.append(texts)
            self.attempts += [work.attempt for work in batch]
        self.during(texts)
        if error := self.error or next(filter(None, map(self.errors.get, texts)), None):
            raise error
        return [self.outcomes.get(text, Outcome.PROCESSED) for text in texts]

    def check(self) -> str | None:
        return self.problem


def read_text(delivery: Delivery) -> str:
    return delivery.body.decode()


def declaration(process: StubProcess, **changes: Any) -> Declaration[str]:
    """Return a consumer of texts."""
    fields: dict[str, Any] = {"topology": TOPOLOGY, "read": read_text, "process": process}
    return Declaration(**fields | changes)


def text(body: str, **properties: Any) -> Delivery:
    """Return a delivery of this text, with the text as its id."""
    return Delivery(**{"body": body.encode(), "message_id": body} | properties)


def metrics(registry: CollectorRegistry | None = None) -> ConsumerMetrics:
    return ConsumerMetrics(registry or CollectorRegistry(), TOPOLOGY.queue)
