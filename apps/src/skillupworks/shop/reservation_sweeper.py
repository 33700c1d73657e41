"""The thread that ends reservations which nobody commits; every instance has one."""

import random
from threading import Event, Thread

import structlog
from prometheus_client import CollectorRegistry, Counter

from skillupworks.errors import StoreUnavailableError
from skillupworks.shop.reservations import Reservations

__all__ = ["ReservationSweeper"]

log = structlog.get_logger()

STOP_SECONDS = 5.0


class ReservationSweeper:
    """Sweeps every few seconds, or as soon as the database is back; never ends by an error."""

    def __init__(
        self, reservations: Reservations, registry: CollectorRegistry, *, seconds: int
    ) -> None:
        self._reservations = reservations
        self._seconds = seconds
        self._sweeps = Counter(
            "skillupworks_reservation_sweeps",
            "Searches for reservations that nobody commits",
            ["outcome"],
            registry=registry,
        )
        for outcome in ("done", "failed"):
            self._sweeps.labels(outcome)
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="reservation-sweeper", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End after the sweep at work."""
        self._stopping.set()
        self._thread.join(timeout=STOP_SECONDS)

    def sweep(self) -> None:
        """Sweep once; what goes wrong is logged and counted."""
        try:
            self._reservations.sweep()
        except StoreUnavailableError as error:
            log.warning(f"Reservations were not looked through: {error}")
        except Exception:
            log.exception("Reservations were not looked through")
        else:
            self._sweeps.labels("done").inc()
            return
        self._sweeps.labels("failed").inc()

    def _run(self) -> None:
        # instances that were started together do not sweep together
        while not self._stopping.wait(self._seconds * random.uniform(0.5, 1.5)):  # noqa: S311
            self.sweep()
