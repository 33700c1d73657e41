"""The confirmation e-mail of an order, sent by SMTP."""

import smtplib
import socket
import ssl
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from time import monotonic
from typing import ClassVar

import structlog

from skillupworks.errors import BackEndUnavailableError, PermanentError, TransientError
from skillupworks.messaging.message import Delivery
from skillupworks.reliability.effects import Effect
from skillupworks.shop.money import format_amount, format_total
from skillupworks.shop.order import Order
from skillupworks.shop.order_lines import EMAIL_LINE
from skillupworks.shop.order_message import parse_order

__all__ = ["MailServer"]

log = structlog.get_logger()

REPLY_SECONDS = 10
# after a longer pause the server may have ended the connection: ask before a mail is at stake
IDLE_SECONDS = 1.0
# replies from here on say "never", those below "not now"; 421 says "not now" about everything
PERMANENT = 500
SHUTTING_DOWN = 421


@dataclass
class MailServer:
    """A BackEnd that sends mail; `recipient` is a template with {userId} and {sessionId}.

    The Message-ID comes from the order, so a mail that is sent twice, since the server's reply was
    lost, is recognised by the recipient's mailbox.
    """

    _: KW_ONLY
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    starttls: bool
    sender: str
    recipient: str
    message_domain: str

    batch: ClassVar[int] = 20

    def __post_init__(self) -> None:
        self._smtp: smtplib.SMTP | None = None
        self._used_at = 0.0

    def deliver(self, effect: Effect) -> None:
        """See BackEnd."""
        began = monotonic()
        self._send(self.compose(effect))
        self._used_at = monotonic()
        log.info(
            EMAIL_LINE,
            order_id=effect.order_id,
            outcome="delivered",
            attempt=effect.attempts + 1,
            duration_ms=round((self._used_at - began) * 1000, 1),
        )

    def compose(self, effect: Effect) -> EmailMessage:
        """Return the mail, which is the same each time; PermanentError when none can be made."""
        order = parse_order(Delivery(effect.payload.encode()))
        mail = EmailMessage(policy=SMTP)
        try:
            mail["To"] = Address(
                addr_spec=self.recipient.format(userId=order.user_id, sessionId=order.session_id)
            )
        except (MessageError, ValueError, IndexError) as error:
            raise PermanentError(f"no address can be made: {error}", reason="recipient") from error
        mail["From"] = self.sender
        mail["Subject"] = f"Your order {order.order_id} is confirmed"
        mail["Date"] = format_datetime(order.timestamp)
        mail["Message-ID"] = f"<{order.order_id}@{self.message_domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(_text(order), cte="quoted-printable")
        return mail

    def close(self) -> None:
        """See BackEnd."""
        if self._smtp is not None:
            with suppress(OSError, smtplib.SMTPException):
                self._smtp.quit()
            self._smtp = None

    def _send(self, mail: EmailMessage) -> None:
        smtp = self._connected()
        try:
            smtp.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            raise self._refusal(*next(iter(error.recipients.values()))) from error
        except smtplib.SMTPDataError as error:
            raise self._refusal(error.smtp_code, error.smtp_error) from error
        except smtplib.SMTPNotSupportedError as error:
            raise PermanentError(f"the mail server cannot: {error}", reason="recipient") from error
        except OSError as error:  # smtplib's own errors too: a sender that is refused, lost replies
            self._disconnect()
            raise self._unavailable(error) from error

    def _connected(self) -> smtplib.SMTP:
        if self._smtp is not None and monotonic() - self._used_at > IDLE_SECONDS:
            self._disconnect_if_lost(self._smtp)
        if self._smtp is None:
            try:
                self._smtp = self._connect()
            except (OSError, ValueError) as error:
                raise self._unavailable(error) from error
        return self._smtp

    def _connect(self) -> smtplib.SMTP:
        # the name is given, as smtplib would ask the resolver for it, which can take seconds
        smtp = smtplib.SMTP(
            self.host, self.port, local_hostname=socket.gethostname(), timeout=REPLY_SECONDS
        )
        try:
            if self.starttls:
                smtp.starttls(context=ssl.create_default_context())
            if self.user:
                smtp.login(self.user, self.password)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _disconnect_if_lost(self, smtp: smtplib.SMTP) -> None:
        try:
            lost = smtp.noop()[0] >= SHUTTING_DOWN
        except OSError:
            lost = True
        if lost:
            self._disconnect()

    def _disconnect(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None

    def _refusal(self, code: int, words: bytes | str) -> Exception:
        """Return what the server's refusal of one mail means."""
        text = words.decode(errors="replace") if isinstance(words, bytes) else words
        line = f"{code} {' '.join(text.split())}"
        if code == SHUTTING_DOWN:
            self._disconnect()
            return BackEndUnavailableError(f"mail server {self.host}:{self.port}: {line}")
        if code >= PERMANENT:
            return PermanentError(f"the mail server refuses it: {line}", reason="refused")
        return TransientError(f"the mail server does not take it now: {line}")

    def _unavailable(self, error: Exception) -> BackEndUnavailableError:
        words = str(error)
        if isinstance(error, smtplib.SMTPResponseException):
            reply = error.smtp_error
            text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
            words = f"{error.smtp_code} {' '.join(text.split())}"
        elif isinstance(error, OSError) and error.strerror:
            words = error.strerror
        return BackEndUnavailableError(f"mail server {self.host}:{self.port}: {words}")


def _text(order: Order) -> str:
    lines = [
        f"  {line.name} x {line.quantity} = {format_amount(line.total)}" for line in order.items
    ]
    return "\n".join(
        [
            "Thank you for your order.",
            "",
            f"Order {order.order_id}",
            *lines,
            f"Total: {format_total(order.total)}",
            "",
        ]
    )
