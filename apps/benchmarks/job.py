"""What one measurement is: made by the controller, read by every program on the host."""

import json
import os
from dataclasses import asdict, dataclass
from typing import Self

__all__ = ["EXCHANGE", "PREFETCH", "ROUTING_KEY", "Broker", "Database", "Effect", "Job"]

# The same for everybody: as many messages may be unacknowledged, and a group has at most so many.
PREFETCH = 200
GROUP = 100

EXCHANGE = "skillupworks"
ROUTING_KEY = "order.created"

VARIABLE = "BENCHMARK_JOB"


class Effect:
    """What the handler does with an order."""

    NOTHING = "nothing"
    STORE = "store"  # inbox row and order row, committed
    COMPUTE = "compute"  # a millisecond of one core


@dataclass(frozen=True)
class Broker:
    """How to reach the broker."""

    host: str
    user: str
    password: str
    vhost: str


@dataclass(frozen=True)
class Database:
    """How to reach the database, and which one."""

    host: str
    user: str
    password: str
    name: str


@dataclass(frozen=True)
class Job:
    """One measurement of one client.

    `queue_type` is classic or quorum; `rate` is that of an open loop, in messages a second;
    `profile` asks where the time goes; `session` is the token of the customer who orders. On the
    host, `queue` gets its name, and `meters` the folder where the client's processes count.
    """

    client: str
    queue_type: str
    messages: int
    broker: Broker
    database: Database
    effect: str = Effect.NOTHING
    processes: int = 1
    rate: float = 0.0
    profile: bool = False
    session: str = ""
    queue: str = ""
    meters: str = ""

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        fields["broker"] = Broker(**fields["broker"])
        fields["database"] = Database(**fields["database"])
        return cls(**fields)

    @classmethod
    def from_environment(cls) -> Self:
        """Read the job that the process was started for."""
        return cls.from_json(os.environ[VARIABLE])

    def to_json(self) -> str:
        """Return the job as one line of JSON."""
        return json.dumps(asdict(self))

    def to_environment(self) -> dict[str, str]:
        """Return the variable that a client reads its job from."""
        return {VARIABLE: self.to_json()}
