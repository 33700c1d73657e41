"""The consumer of docs/messaging.md as a service of its own on a host of the order processor."""

import re
import shlex
import uuid
from dataclasses import dataclass

from tests.helpers.ansible import PROJECT
from tests.helpers.broker import VHOST, Broker, Json
from tests.helpers.services import PYTHON, Service

NAME = "greeter"
QUEUE, DEAD_LETTERS = "greetings", "greetings-dlq"
EXCHANGES = ("social", "social.dlx")
TABLE = "orders.greetings"
DELAYS = (2, 4)
OPS_PORT = 9199
PROGRAM = "/run/test-greeter.py"
RESTART = (
    "--property=Restart=on-failure --property=RestartSec=100ms --property=StartLimitIntervalSec=0"
)


def example() -> str:
    """Return the program that the documentation shows."""
    text = (PROJECT / "docs" / "messaging.md").read_text()
    section = text.partition("\n## A new consumer\n")[2].partition("\n## ")[0]
    (program,) = re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    return str(program)


def with_handler(line: str) -> str:
    """Return that program with this line as its handler's body, or as it is."""
    program, handlers = re.subn(
        r"(?<=^def greet\(greeting: Greeting, unit: Unit\) -> None:\n)    .*$",
        lambda found: f"    {line}" if line else found[0],
        example(),
        flags=re.MULTILINE,
    )
    assert handlers == 1
    return program


@dataclass
class Greeter:
    """The unit `test-greeter`, with the release, the settings and the account of a processor."""

    processor: Service
    broker: Broker
    unit: str = f"test-{NAME}"

    @property
    def running(self) -> bool:
        """Whether its process is there; once it has ended, systemd does not know the unit."""
        shown = self.processor.run(f"systemctl show {self.unit} --property=MainPID --value")
        return shown != "0"

    @property
    def status(self) -> str:
        """The line that it shows in `systemctl status`."""
        return self.processor.run(f"systemctl show {self.unit} --property=StatusText --value")

    @property
    def restarts(self) -> int:
        """How often systemd has started it again."""
        shown = self.processor.run(f"systemctl show {self.unit} --property=NRestarts --value")
        return int(shown)

    def start(self, handler: str = "") -> None:
        """Start it; returns when it says that it runs.

        With the line of a `handler`, that is done instead of its own, and systemd starts it again
        and again should its process die of that.
        """
        settings = {
            "MYSQL_DATABASE": TABLE.partition(".")[0],
            "OPS_PORT": OPS_PORT,
            "RETRY_DELAYS": ",".join(map(str, DELAYS)),
        }
        exports = " ".join(f"{name}={text}" for name, text in settings.items())
        script = f"{self.processor.environment()} export {exports}; exec {PYTHON} {PROGRAM}"
        self.processor.platform.feed(self.processor.host, f"tee {PROGRAM}", with_handler(handler))
        restart = RESTART if handler else ""
        self.processor.run(
            f"systemd-run --quiet --collect --unit={self.unit} --service-type=notify"
            f" --property=TimeoutStopSec=30 {restart} bash -c {shlex.quote(script)}"
        )

    def signal(self) -> None:
        """Send it a SIGTERM, and do not wait for its end."""
        self.processor.run(f"systemctl kill --signal=TERM {self.unit}")

    def stop(self) -> None:
        """Stop it if it runs."""
        self.processor.run(f"systemctl stop {self.unit} || true; rm -f {PROGRAM}")

    def publish(self, payload: str, message_id: str | None = None) -> str:
        """Publish to its exchange; return the message's id."""
        message_id = message_id or f"test-{uuid.uuid4().hex}"
        answer = self.broker.post(
            f"/exchanges/{VHOST}/{EXCHANGES[0]}/publish",
            {
                "properties": {
                    "delivery_mode": 2,
                    "message_id": message_id,
                    "content_type": "application/json",
                },
                "routing_key": "greeting.sent",
                "payload": payload,
                "payload_encoding": "string",
            },
        )
        assert answer == {"routed": True}
        return message_id

    def parked(self) -> list[Json]:
        """Return what is in its dead-letter queue, and leave it there."""
        messages: list[Json] = self.broker.post(
            f"/queues/{VHOST}/{DEAD_LETTERS}/get",
            {"count": 100, "ackmode": "ack_requeue_true", "encoding": "auto"},
        )
        return messages

    def delete_queues(self) -> None:
        """Delete all that it declares."""
        waiting = {f"{QUEUE}.retry.{delay}s" for delay in DELAYS}
        for kind, ours in (("queues", {QUEUE, DEAD_LETTERS} | waiting), ("exchanges", EXCHANGES)):
            there = {thing["name"] for thing in self.broker.get(f"/{kind}/{VHOST}")}
            for name in there.intersection(ours):
                self.broker.delete(f"/{kind}/{VHOST}/{name}")
