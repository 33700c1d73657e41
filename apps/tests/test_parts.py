"""A service ends within the time that systemd gives it, whatever hangs."""

import subprocess
import sys
from pathlib import Path
from threading import Event
from time import monotonic

import yaml

from skillupworks import consumer_service
from skillupworks.messaging import consumer, link
from skillupworks.runtime import http_server, service
from skillupworks.runtime.parts import stop_together
from skillupworks.shop import payment

from .waiting import SECONDS

SOURCE = str(Path(__file__).parents[1] / "src")
ROLE = Path(__file__).resolve().parents[2] / "roles/app_service/defaults/main.yml"

# a consumer looks once a second whether its time is over, and a server ten times
TICK_SECONDS = 1.0
# the server of the metrics looks twice a second
OPS_SECONDS = 0.5

# a service that is told to stop while a thread of its own waits for what never comes
PROGRAM = f"""
import sys
import time
from threading import Thread
from skillupworks.runtime.service import Service, run
from skillupworks.runtime.settings import Settings

def serve(_settings):
    Thread(target=time.sleep, args=({10 * SECONDS},), name="forgetful").start()
    Thread(target=time.sleep, args=(0.2,), name="quick").start()

sys.exit(
    run(Service(name="service", description="", settings=Settings, check=print, serve=serve))
)
"""


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

    closing = link.CLOSE_SECONDS + link.DROP_SECONDS
    consuming = consumer.DRAIN_SECONDS + TICK_SECONDS + closing + consumer.GRACE_SECONDS
    assert consuming + consumer_service.PARTS_SECONDS + OPS_SECONDS + service.EXIT_SECONDS < given
    serving = http_server.GRACE_SECONDS + TICK_SECONDS
    assert serving + payment.PARTS_SECONDS + service.EXIT_SECONDS < given


def test_a_thread_that_hangs_does_not_keep_the_process() -> None:
    began = monotonic()

    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": SOURCE},
    )

    assert ended.returncode == 0, ended.stderr
    assert "they are still at work: forgetful" in ended.stdout + ended.stderr
    assert "quick" not in ended.stdout + ended.stderr
    assert monotonic() - began < SECONDS
