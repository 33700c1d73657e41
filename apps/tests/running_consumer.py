"""A consumer at work, for tests that play its broker."""

from collections.abc import Callable
from threading import Thread
from typing import Any

from prometheus_client import CollectorRegistry

from skillupworks.messaging.connection import Broker
from skillupworks.messaging.consumer import Consumer
from skillupworks.runtime.notify import Notifier

from .messaging_stubs import StubProcess, declaration, metrics
from .waiting import SECONDS


class Running:
    """A consumer that runs in a thread of its own."""

    def __init__(self, address: Broker, notifier: Notifier | None = None, **changes: Any) -> None:
        self.process = changes.pop("process", None) or StubProcess()
        self.registry = CollectorRegistry()
        self.metrics = metrics(self.registry)
        self.error: BaseException | None = None
        self.consumer = Consumer(
            address,
            declaration(self.process, **changes),
            self.metrics,
            notifier or Notifier({}),
        )
        self._thread = Thread(target=self._run)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._thread.is_alive()

    def join(self, seconds: float = SECONDS) -> None:
        """Wait for its end."""
        self._thread.join(seconds)
        assert not self.running

    def stop(self) -> None:
        """Stop it and wait for its end."""
        self.consumer.stop()
        self.join()

    def _run(self) -> None:
        try:
            self.consumer.run()
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            self.error = error

    def value(self, name: str) -> float | None:
        """Return one of its metrics, by what comes after `skillupworks_consumer_`."""
        queue = {"queue": "orders"}
        return self.registry.get_sample_value(f"skillupworks_consumer_{name}", queue)


Start = Callable[..., Running]
