"""What hangs starves the watchdog; what waits for messages or for a database does not."""

from collections.abc import Callable, Iterator
from threading import Event, Semaphore
from typing import Any, cast

import pytest

from skillupworks.errors import StoreUnavailableError
from skillupworks.messaging import crew as crew_module
from skillupworks.messaging.connection import Broker
from skillupworks.messaging.crew import Crew
from skillupworks.messaging.mailbox import Mailbox
from skillupworks.messaging.session import Session, Ticket
from skillupworks.runtime.backoff import Backoff

from .messaging_stubs import StubProcess, StubSession, declaration, metrics, text
from .played_broker import PlayedBroker
from .running_consumer import Start
from .waiting import SECONDS, wait_until

pytestmark = pytest.mark.usefixtures("events")

LIMIT = crew_module.HANDLER_LIMIT_SECONDS
NOBODY = Broker(("127.0.0.1",), 9, "skillupworks", "s3cret", "/", "test")


class Team:
    """A crew of one with messages in its hands, and a clock that stands still."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.process = StubProcess()
        self.session = StubSession()
        self.release = Event()
        self.crew = Crew(
            NOBODY,
            declaration(self.process, facts=self._facts, retry_delays=(5,)),
            metrics(),
            lambda: None,
        )

    def take(self, *bodies: str) -> None:
        """Let the crew have messages."""
        self.session.in_flight = len(bodies)
        self.crew.mailbox.put(self.session.tickets(*map(text, bodies)))
        self.crew.start()

    def hung_after(self, seconds: float) -> str | None:
        """Let time pass and return what hangs."""
        self.now += seconds
        return self.crew.hung(cast("Session", self.session))

    def _facts(self, message: str) -> dict[str, str]:
        """Say what a message is about; of "silent" nothing can be said."""
        if message == "silent":
            assert self.release.wait(SECONDS)
        return {}


@pytest.fixture
def team(monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    """Return a crew that has not begun, and dismiss it at the end."""
    team = Team()
    monkeypatch.setattr(crew_module, "monotonic", lambda: team.now)
    yield team
    monkeypatch.undo()
    team.session.over.set()
    team.release.set()
    team.crew.dismiss()
    assert team.crew.wait(SECONDS)


def test_a_worker_that_cannot_say_what_it_did_hangs(team: Team) -> None:
    # Given a message that is acknowledged, and a journal that takes no word about it
    team.take("silent", "b")
    wait_until(lambda: team.session.acknowledged == [1, 2])
    team.session.settled, team.session.in_flight = 2, 7  # others have come

    assert team.hung_after(0) is None
    assert team.hung_after(LIMIT - 1) is None

    assert team.hung_after(1) == "7 messages are in flight, and nothing has come of them for 300 s"


def test_what_is_settled_or_tried_is_progress(team: Team) -> None:
    # Given a batch that fails, after which its messages are tried one by one
    steps = Semaphore(0)
    team.process.during = lambda _texts: _pass(steps)
    team.process.errors = {"a": ValueError("surprise"), "b": ValueError("surprise")}
    team.take("a", "b", "c")
    wait_until(lambda: len(team.process.calls) == 1)
    assert team.hung_after(0) is None

    # When its attempts take long, and none as long as that one is taken for hung
    for calls in (2, 3):
        assert team.hung_after(LIMIT - 1) is None
        steps.release()
        wait_until(lambda calls=calls: len(team.process.calls) == calls)  # type: ignore[misc]
        assert team.hung_after(0) is None
    assert team.hung_after(LIMIT - 1) is None
    team.session.settled += 1

    # Then nothing hangs, until nothing more comes of it
    assert team.hung_after(LIMIT - 1) is None
    assert team.hung_after(LIMIT - 1) is None
    assert team.hung_after(1) is not None
    for _ in range(2):
        steps.release()


def test_who_waits_for_messages_does_not_hang(team: Team) -> None:
    team.crew.start()

    assert [team.hung_after(LIMIT) for _ in range(3)] == [None] * 3
    # nor does it when a message has come now
    team.session.in_flight = 1
    assert team.hung_after(LIMIT) is None


def test_who_waits_for_the_database_does_not_hang(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backoff, "next_pause", lambda _self: 60)
    team.process.error = StoreUnavailableError("MySQL: away")
    team.process.problem = "MySQL: away"
    team.take("a", "b")
    wait_until(lambda: team.crew.trouble() is not None)

    assert [team.hung_after(LIMIT) for _ in range(3)] == [None] * 3


def test_who_has_no_connection_does_not_hang(team: Team) -> None:
    team.take("silent")
    wait_until(lambda: team.session.acknowledged == [1])
    team.session.in_flight = 1
    assert team.hung_after(0) is None

    team.now += LIMIT

    assert team.crew.hung(None) is None
    assert team.hung_after(LIMIT) is None


@pytest.mark.parametrize("where", ["mailbox", "journal"])
def test_a_consumer_whose_worker_hangs_starves_the_watchdog_and_says_why(
    broker: PlayedBroker,
    start: Start,
    events: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    # Given a watchdog that is to be fed at every look, and a worker that waits for what never comes
    monkeypatch.setenv("WATCHDOG_USEC", "4")
    monkeypatch.setattr(crew_module, "HANDLER_LIMIT_SECONDS", 0.5)
    release = Event()

    def wait(*_arguments: object) -> dict[str, str]:
        assert release.wait(SECONDS)
        return {}

    if where == "mailbox":
        monkeypatch.setattr(Mailbox, "take", _after(wait, Mailbox.take))
    running = start(batch=1, facts=wait)

    # When messages come
    caller = broker.consuming()
    caller.deliver(b"a", b"b")

    # Then it is named, and no more once it goes on
    wait_until(lambda: any("no longer fed" in event["event"] for event in events))
    (said,) = [event["event"] for event in events if "watchdog" in event["event"]]
    assert said.endswith("in flight, and nothing has come of them for 0 s")
    release.set()
    wait_until(lambda: caller.acknowledged() == [1, 2])
    assert running.running


def _pass(steps: Semaphore) -> None:
    assert steps.acquire(timeout=SECONDS)


def _after(
    wait: Callable[[], object], take: Callable[..., list[Ticket] | None]
) -> Callable[..., list[Ticket] | None]:
    def wait_and_take(*arguments: Any) -> list[Ticket] | None:
        wait()
        return take(*arguments)

    return wait_and_take
