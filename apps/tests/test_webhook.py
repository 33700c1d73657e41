"""The gateway's webhook: what is signed is believed for a while, and an outcome is sent once."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from skillupworks.runtime.problems import ProblemError
from skillupworks.shop import webhook
from skillupworks.shop.gateway import Captured, Declined, Outcome
from skillupworks.shop.webhook import SIGNATURE, TOLERANCE_SECONDS, Signer, WebhookSender

from .played_servers import PlayedHandler, PlayedHttpServer, serving

SECRET = "sixteen characters"
BODY = b'{"paymentId": "pay_1", "state": "captured"}'
NOW = 1_700_000_000
# HMAC-SHA256 of "1700000000." and BODY, by `openssl dgst -sha256 -hmac`
DIGEST = "103e090085eed49cdbdba018b0e5ce475930ffca6482d476a1a18620cd416872"


class Clock:
    """The time."""

    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


class Receiver(PlayedHttpServer):
    """A payment service that answers `status`, and hangs up instead when that is 0."""

    def __init__(self) -> None:
        super().__init__(Handler)
        self.status = 204
        self.requests: list[tuple[str, dict[str, str], bytes]] = []


class Handler(PlayedHandler):
    """Keeps each request and answers it."""

    server: Receiver

    def answer(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers.items()), content))
        if not self.server.status:
            self.close_connection = True
            return
        self.send_response(self.server.status)
        if self.server.status != 204:
            self.send_header("Content-Length", "0")
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    do_POST = answer  # noqa: N815 - http.server's name


@pytest.fixture
def clock() -> Clock:
    """Return the time."""
    return Clock()


@pytest.fixture
def signer(clock: Clock) -> Signer:
    """Return who signs and checks."""
    return Signer(SECRET, clock)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Return a payment service that listens."""
    with serving(Receiver()) as receiver:
        yield receiver


@pytest.fixture
def sender(receiver: Receiver, signer: Signer) -> Iterator[WebhookSender]:
    """Return who calls it."""
    sender = WebhookSender(f"http://127.0.0.1:{receiver.server_port}", signer)
    yield sender
    sender.close()


def assert_refused(signer: Signer, header: str | None, body: bytes = BODY) -> None:
    with pytest.raises(ProblemError, match=f"^{SIGNATURE}: ") as caught:
        signer.check(header, body)
    assert (caught.value.status, caught.value.headers) == (401, {"WWW-Authenticate": SIGNATURE})


def test_a_signature_is_the_time_and_what_anybody_with_the_secret_can_compute(
    signer: Signer,
) -> None:
    header = signer.sign(BODY)

    assert header == f"t={NOW},v1={DIGEST}"
    signer.check(header, BODY)


def test_another_body_secret_or_time_is_refused(signer: Signer, clock: Clock) -> None:
    assert_refused(signer, signer.sign(BODY), BODY + b" ")
    assert_refused(signer, Signer("another secret!!", clock).sign(BODY))
    # who has seen it cannot make it newer
    assert_refused(signer, f"t={NOW + 1},v1={DIGEST}")


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        DIGEST,
        f"t={NOW}",
        f"v1={DIGEST}",
        f"t={NOW},v1={DIGEST[:-1]}",
        f"t={NOW},v1={DIGEST.upper()}",
        f"t={NOW},v1={DIGEST},v0=1",
        f" t={NOW},v1={DIGEST}",
        f"t={NOW},v1={DIGEST}\n",
        f"t=-{NOW},v1={DIGEST}",
        f"t={'9' * 400},v1={DIGEST}",
        f"t=١٧٠٠٠٠٠٠٠٠,v1={DIGEST}",
        f"t={NOW},v1={'é' * 64}",
    ],
)
def test_a_header_of_another_form_is_refused(signer: Signer, header: str | None) -> None:
    assert_refused(signer, header)


@pytest.mark.parametrize("seconds", [-TOLERANCE_SECONDS, TOLERANCE_SECONDS])
def test_a_signature_is_good_as_long_as_two_clocks_may_differ(
    signer: Signer, clock: Clock, seconds: int
) -> None:
    header = signer.sign(BODY)

    clock.now = NOW + seconds
    signer.check(header, BODY)

    clock.now += 1 if seconds > 0 else -1
    assert_refused(signer, header)


@pytest.mark.parametrize(("outcome", "state"), [(Captured(), "captured"), (Declined(), "declined")])
def test_an_outcome_is_sent_so_that_the_receiver_can_check_it(
    receiver: Receiver, sender: WebhookSender, signer: Signer, outcome: Outcome, state: str
) -> None:
    sender("pay_1", outcome)

    ((path, headers, content),) = receiver.requests
    assert path == "/webhooks/gateway"
    assert json.loads(content) == {"paymentId": "pay_1", "state": state}
    assert headers["Content-Type"] == "application/json"
    signer.check(headers[SIGNATURE], content)


@pytest.mark.parametrize("status", [204, 302, 401, 404, 409, 500, 503, 0])
def test_it_is_sent_once_and_what_was_not_taken_is_told(
    receiver: Receiver, sender: WebhookSender, events: list[Any], status: int
) -> None:
    receiver.status = status

    sender("pay_1", Captured())

    # the settler asks the gateway for what has not arrived
    assert len(receiver.requests) == 1
    told = [(event["log_level"], "pay_1" in event["event"]) for event in events]
    assert told == ([] if status == 204 else [("warning", True)])


def test_a_receiver_that_is_away_is_told_and_found_again(
    receiver: Receiver, signer: Signer, events: list[Any]
) -> None:
    away = WebhookSender("http://127.0.0.1:1", signer)
    away("pay_1", Captured())
    away.close()
    assert ["did not arrive" in event["event"] for event in events] == [True]

    sender = WebhookSender(f"http://127.0.0.1:{receiver.server_port}/", signer)
    receiver.status = 0
    sender("pay_1", Captured())
    receiver.status = 204
    sender("pay_2", Captured())
    sender.close()
    assert json.loads(receiver.requests[-1][2])["paymentId"] == "pay_2"


def test_a_receiver_that_hangs_costs_no_more_than_its_time(
    signer: Signer, events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "SEND_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sender = WebhookSender(f"http://127.0.0.1:{silent.getsockname()[1]}", signer)
        sender("pay_1", Captured())
        sender.close()

    assert ["did not arrive" in event["event"] for event in events] == [True]
