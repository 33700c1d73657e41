"""Every service answers as its OpenAPI document says, whatever it is asked (Schemathesis).

No 5xx, no status, type or body that is not documented, nothing wrong accepted, no way around a
session. `SCHEMATHESIS_SECONDS` (default 7 for each service) makes it try longer.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.helpers.hosts import Platform
from tests.helpers.services import READY_PORT, Service, catalogues, users

SECONDS = int(os.environ.get("SCHEMATHESIS_SECONDS", "7"))
# a run may take longer than it is given: what it is at is finished
PATIENCE_SECONDS = 120
SETTINGS = Path(__file__).with_name("schemathesis.toml")
MANY = 1_000_000
# logs out, after which nothing would be tried with a session
LOGOUT = "/sessions/current"


@dataclass(frozen=True)
class Guest:
    """Somebody with a session."""

    owner: str
    token: str


@pytest.fixture(scope="module")
def guest(platform: Platform) -> Iterator[Guest]:
    """Return a guest, on services that take many attempts and hold stock for a second only."""
    user, catalogue = users(platform)[0], catalogues(platform)[0]
    counts = ("LOGIN_ATTEMPTS_ADDRESS", "REGISTRATIONS_ADDRESS", "GUESTS_ADDRESS")
    with ExitStack() as stack:
        lines = " ".join(f"{name}={MANY}" for name in counts)
        stack.enter_context(user.changed(f"Environment={lines}"))
        stack.enter_context(catalogue.changed("Environment=RESERVATION_SECONDS=1"))
        for service in (user, catalogue):
            service.wait_until_ready()
        yield _begin(platform, user)


@pytest.mark.parametrize("name", ["catalogue", "user", "cart", "payment", "shipping"])
def test_a_service_answers_as_it_says(platform: Platform, guest: Guest, name: str) -> None:
    """With the session of a guest."""
    _try(platform, name, guest, SECONDS, "--exclude-path", LOGOUT)


def test_logging_out_answers_as_it_says(platform: Platform, guest: Guest) -> None:
    """By itself: afterwards there is no session."""
    del guest  # services that take many attempts
    leaving = _begin(platform, users(platform)[0])
    _try(platform, "user", leaving, min(SECONDS, 3), "--include-path", LOGOUT)


def _begin(platform: Platform, user: Service) -> Guest:
    url = f"http://{platform.address(user.host)}:{READY_PORT['user']}/guests"
    answer = httpx.post(url, json={"delivery": "token"}, trust_env=False)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    return Guest(answer.json()["id"], answer.json()["token"])


def _try(platform: Platform, name: str, guest: Guest, seconds: int, *options: str) -> None:
    """Run Schemathesis against a service; what it found is the test's failure."""
    host = platform.group(name)[0]
    base = f"http://{platform.address(host)}:{READY_PORT[name]}"
    program = Path(sys.executable).with_name("schemathesis")
    run = subprocess.run(
        [
            *(program, "--config-file", SETTINGS, "run", f"{base}/openapi.json"),
            *("--max-time", str(seconds)),
            *options,
        ],
        env=os.environ | {"TOKEN": guest.token, "OWNER": guest.owner, "NO_PROXY": "*"},
        check=False,
        capture_output=True,
        text=True,
        timeout=seconds + PATIENCE_SECONDS,
    )
    assert run.returncode == 0, run.stdout + run.stderr
