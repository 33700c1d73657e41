"""A service ends within the time that systemd gives it, whatever hangs."""

from pathlib import Path
from threading import Event
from time import monotonic

import yaml

from skillupworks import consumer_service
from skillupworks.messaging import consumer, link
from skillupworks.runtime import http_server
from skillupworks.runtime.parts import stop_together
from skillupworks.shop import payment

ROLE = Path(__file__).resolve().parents[2] / "roles/app_service/defaults/main.yml"


class Part:
    """A part that ends at once, or not before the end of the test."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.asked = Event()
        self.ended = Event()
        self.released = Event()
        self._hangs = hangs

    def stop(self) -> None:
        self.asked.set()
        if self._hangs:
            self.released.wait(10)
        self.ended.set()


def test_a_part_that_hangs_holds_up_no_other_and_not_the_end() -> None:
    parts = [Part(hangs=True), Part(), Part(hangs=True)]
    began = monotonic()

    stop_together(parts, 0.2)

    assert 0.2 <= monotonic() - began < 1
    assert all(part.asked.is_set() for part in parts)
    assert [part.ended.is_set() for part in parts] == [False, True, False]
    for part in parts:
        part.released.set()


def test_who_ends_at_once_is_not_waited_for() -> None:
    parts = [Part(), Part()]
    began = monotonic()

    stop_together(parts, 5)

    assert monotonic() - began < 1
    assert all(part.ended.is_set() for part in parts)


def test_all_steps_of_a_stop_fit_into_what_systemd_gives() -> None:
    given = yaml.safe_load(ROLE.read_text(encoding="utf-8"))["app_service_stop_seconds"]

    # the connections that consume, publish, and publish what failed
    closing = 2 * link.CLOSE_SECONDS
    assert consumer.DRAIN_SECONDS + closing + consumer_service.PARTS_SECONDS < given
    assert http_server.GRACE_SECONDS + link.CLOSE_SECONDS + payment.PARTS_SECONDS < given
