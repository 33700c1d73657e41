"""Confirmations reach a mail server, always as the same mail, and its answers are told apart."""

import asyncio
import email
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from skillupworks.errors import BackEndUnavailableError, PermanentError, TransientError
from skillupworks.reliability.effects import Effect
from skillupworks.shop import email as email_module
from skillupworks.shop.email import MailServer

from .conftest import DeliveryMaker


class Mailbox:
    """What the mail server does: takes mails, or answers as `replies` says for a command."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.replies: dict[str, str] = {}
        self.sessions: list[Session] = []

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, options
        if reply := self.replies.get("MAIL"):
            return reply
        envelope.mail_from = address
        self.sessions.append(session)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        if reply := self.replies.get("RCPT"):
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        del server
        if reply := self.replies.get("DATA"):
            return reply
        content = cast("bytes", envelope.content)
        self.mails.append(email.message_from_bytes(content, policy=default))
        return "250 OK"

    async def handle_NOOP(self, server: SMTP, *_: object) -> str:  # noqa: N802
        del server
        return self.replies.get("NOOP", "250 OK")


StartServer = Callable[..., MailServer]


@pytest.fixture
def mailbox() -> Mailbox:
    """Return an empty mailbox."""
    return Mailbox()


@pytest.fixture
def start(mailbox: Mailbox, events: list[Any]) -> Iterator[StartServer]:
    """Return a function that starts a mail server for the mailbox and returns our side of it."""
    del events
    controllers: list[Controller] = []
    clients: list[MailServer] = []

    def start(*, user: str = "", starttls: bool = False, **options: Any) -> MailServer:
        controller = Controller(mailbox, hostname="127.0.0.1", port=free_port(), **options)
        controller.start()
        controllers.append(controller)
        clients.append(mail_server(controller.port, user=user, starttls=starttls))
        return clients[-1]

    yield start
    for client in clients:
        client.close()
    for controller in controllers:
        controller.stop(no_assert=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def mail_server(port: int, *, user: str = "", starttls: bool = False) -> MailServer:
    return MailServer(
        host="localhost" if starttls else "127.0.0.1",
        port=port,
        user=user,
        password="s3cret",
        starttls=starttls,
        sender="SkillUpWorks <shop@example.com>",
        recipient="{userId}@example.com",
        message_domain="orders.example.com",
    )


@pytest.fixture
def effect(delivery: DeliveryMaker) -> Effect:
    """Return the e-mail of the documented order."""
    return effect_of(delivery)


def effect_of(delivery: DeliveryMaker, **changes: Any) -> Effect:
    return Effect("ORD-1702554000123", None, 0, delivery(changes).body.decode())


def test_a_confirmation_is_sent(
    start: StartServer, mailbox: Mailbox, effect: Effect, events: list[Any]
) -> None:
    start().deliver(effect)

    (mail,) = mailbox.mails
    assert mail["From"] == "SkillUpWorks <shop@example.com>"
    assert mail["To"] == "507f1f77bcf86cd799439011@example.com"
    assert mail["Subject"] == "Your order ORD-1702554000123 is confirmed"
    assert mail["Message-ID"] == "<ORD-1702554000123@orders.example.com>"
    assert mail["Date"] == "Sat, 14 Dec 2024 10:00:00 +0000"
    text = mail.get_content().replace("\r\n", "\n")
    assert "Order ORD-1702554000123\n  Linux Administration x 1 = ₹1999\n" in text
    assert "Total: ₹1999.00" in text
    assert [("📧 Confirmation email sent", "delivered", 1)] == [
        (event["event"], event["outcome"], event["attempt"]) for event in events
    ]


def test_a_mail_that_is_sent_twice_is_the_same_mail(
    start: StartServer, mailbox: Mailbox, effect: Effect
) -> None:
    server = start()

    server.deliver(effect)
    server.deliver(effect)

    assert len({mail.as_bytes() for mail in mailbox.mails}) == 1


def test_mails_go_over_one_connection(start: StartServer, mailbox: Mailbox, effect: Effect) -> None:
    server = start()

    for _ in range(3):
        server.deliver(effect)

    assert len(mailbox.mails) == 3
    assert len({id(session) for session in mailbox.sessions}) == 1


def test_after_a_pause_a_connection_that_was_ended_is_made_again(
    start: StartServer, mailbox: Mailbox, effect: Effect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start()
    server.deliver(effect)
    monkeypatch.setattr(email_module, "IDLE_SECONDS", 0.0)

    server.deliver(effect)
    mailbox.replies["NOOP"] = "421 too long idle"
    server.deliver(effect)

    assert len(mailbox.mails) == 3
    first, second, third = (id(session) for session in mailbox.sessions)
    assert first == second != third


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (("RCPT", "550 no such user"), PermanentError),
        (("DATA", "554 not this content"), PermanentError),
        (("RCPT", "451 greylisted"), TransientError),
        (("DATA", "452 no space"), TransientError),
        (("RCPT", "421 shutting down"), BackEndUnavailableError),
        (("DATA", "421 shutting down"), BackEndUnavailableError),
        (("MAIL", "550 no such sender"), BackEndUnavailableError),
        (("MAIL", "451 not now"), BackEndUnavailableError),
    ],
)
def test_a_refusal_concerns_the_mail_or_all(
    start: StartServer, mailbox: Mailbox, effect: Effect, refusal: tuple[str, str], kind: type
) -> None:
    server = start()
    command, reply = refusal
    mailbox.replies[command] = reply

    with pytest.raises(kind, match=reply) as caught:
        server.deliver(effect)

    assert type(caught.value) is kind
    mailbox.replies.clear()
    server.deliver(effect)
    assert len(mailbox.mails) == 1


def test_a_server_that_is_away_is_named(effect: Effect) -> None:
    port = free_port()

    with pytest.raises(
        BackEndUnavailableError, match=rf"^mail server 127\.0\.0\.1:{port}: Connection refused$"
    ):
        mail_server(port).deliver(effect)


def test_a_server_that_ends_in_the_middle_is_away(effect: Effect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = mail_server(listener.getsockname()[1])

        async def hang_up() -> None:
            connection, _ = await asyncio.to_thread(listener.accept)
            connection.sendall(b"220 hello\r\n")
            connection.close()

        async def both() -> None:
            await asyncio.gather(hang_up(), asyncio.to_thread(server.deliver, effect))

        with pytest.raises(BackEndUnavailableError, match=r"^mail server "):
            asyncio.run(both())


@pytest.mark.parametrize("user", ["two words", "a@b", "eve@example.net, bob", "<x", "नाम", "u\\"])
def test_a_user_of_whom_no_address_can_be_made_gets_no_mail(
    start: StartServer, mailbox: Mailbox, delivery: DeliveryMaker, user: str
) -> None:
    server = start(enable_SMTPUTF8=False)

    with pytest.raises(PermanentError) as caught:
        server.deliver(effect_of(delivery, userId=user))

    assert caught.value.reason == "recipient"
    assert mailbox.mails == []


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Return the TLS side of a server whose certificate is trusted here."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def test_credentials_are_sent_over_tls(
    start: StartServer, mailbox: Mailbox, effect: Effect, certificate: ssl.SSLContext
) -> None:
    seen: list[LoginPassword] = []

    def authenticate(*arguments: Any) -> AuthResult:
        seen.append(arguments[-1])
        return AuthResult(success=arguments[-1].password == b"s3cret")

    server = start(
        user="shop",
        starttls=True,
        tls_context=certificate,
        require_starttls=True,
        auth_required=True,
        authenticator=authenticate,
    )

    server.deliver(effect)

    assert [(b"shop", b"s3cret")] == [(login.login, login.password) for login in seen]
    assert len(mailbox.mails) == 1


def test_wrong_credentials_are_no_mails_fault(
    start: StartServer, effect: Effect, certificate: ssl.SSLContext
) -> None:
    server = start(
        user="shop",
        starttls=True,
        tls_context=certificate,
        authenticator=lambda *_: AuthResult(success=False, handled=False),
    )

    with pytest.raises(BackEndUnavailableError, match="535") as caught:
        server.deliver(effect)

    assert "s3cret" not in str(caught.value)


def test_a_server_without_tls_is_not_talked_to_if_it_must_be(
    start: StartServer, mailbox: Mailbox, effect: Effect
) -> None:
    with pytest.raises(BackEndUnavailableError, match="STARTTLS"):
        start(starttls=True).deliver(effect)

    assert mailbox.mails == []
