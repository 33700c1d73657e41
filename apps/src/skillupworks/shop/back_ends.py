"""What an order causes in other systems, and which systems those are, chosen by settings."""

from collections.abc import Mapping
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from skillupworks.errors import ConfigurationError
from skillupworks.reliability.back_end import BackEnd, LogBackEnd
from skillupworks.runtime.settings import MAX_PORT, Settings
from skillupworks.shop.order_lines import EMAIL_LINE, SIMULATED, WAREHOUSE_LINE

__all__ = ["BackEndSettings", "back_ends"]


class BackEndSettings(Settings):
    """The environment of the back ends; what one of them needs is required when it is chosen."""

    email_backend: Literal["log", "smtp"] = "log"
    email_from: str = ""
    email_to: str = ""
    email_message_domain: str = ""
    smtp_host: str = ""
    smtp_port: int = Field(default=25, ge=1, le=MAX_PORT)
    smtp_user: str = ""
    smtp_pass: SecretStr = SecretStr("")
    smtp_starttls: bool = False
    warehouse_backend: Literal["log", "http"] = "log"
    warehouse_url: str = ""
    warehouse_token: SecretStr = SecretStr("")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        problems = [*self._email_problems(), *self._warehouse_problems()]
        if problems:
            raise ConfigurationError(*problems)
        return self

    def _email_problems(self) -> list[str]:
        if self.email_backend != "smtp":
            return []
        required = ("smtp_host", "email_from", "email_to")
        problems = [
            f"{name.upper()}: is required when EMAIL_BACKEND is smtp"
            for name in required
            if not getattr(self, name)
        ]
        if self.email_from and "@" not in self.email_from:
            problems.append(f"EMAIL_FROM: must be an address, got {self.email_from!r}")
        if self.email_to and not _is_template(self.email_to):
            problems.append(
                "EMAIL_TO: must be an address, which may have {userId} and {sessionId} in it,"
                f" got {self.email_to!r}"
            )
        if self.smtp_user and not self.smtp_pass.get_secret_value():
            problems.append("SMTP_PASS: is required when SMTP_USER is set")
        if self.smtp_user and not self.smtp_starttls:
            problems.append(
                "SMTP_STARTTLS: must be true when SMTP_USER is set: the password would be sent as"
                " plain text"
            )
        return problems

    def _warehouse_problems(self) -> list[str]:
        if self.warehouse_backend != "http":
            return []
        if not self.warehouse_url:
            return ["WAREHOUSE_URL: is required when WAREHOUSE_BACKEND is http"]
        if not _is_url(self.warehouse_url):
            return [f"WAREHOUSE_URL: must be an http or https URL, got {self.warehouse_url!r}"]
        return []


def back_ends(settings: BackEndSettings) -> Mapping[str, BackEnd]:
    """Return the back end for each kind of effect; none of them connects yet."""
    return {"email": _email(settings), "warehouse": _warehouse(settings)}


def _email(settings: BackEndSettings) -> BackEnd:
    if settings.email_backend == "log":
        return LogBackEnd(EMAIL_LINE + SIMULATED)
    # the mail libraries take 4 MB: only for who sends mail
    from skillupworks.shop.email import MailServer  # noqa: PLC0415

    return MailServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        user=settings.smtp_user,
        password=settings.smtp_pass.get_secret_value(),
        starttls=settings.smtp_starttls,
        sender=settings.email_from,
        recipient=settings.email_to,
        message_domain=settings.email_message_domain or _domain(settings.email_from),
    )


def _warehouse(settings: BackEndSettings) -> BackEnd:
    if settings.warehouse_backend == "log":
        return LogBackEnd(WAREHOUSE_LINE + SIMULATED)
    # the same for the HTTP client
    from skillupworks.shop.warehouse import Warehouse  # noqa: PLC0415

    return Warehouse(settings.warehouse_url, settings.warehouse_token.get_secret_value())


def _is_template(text: str) -> bool:
    """Say whether a text is an address once its fields are filled in."""
    try:
        address = text.format(userId="u", sessionId="s")
    except (LookupError, ValueError, AttributeError):
        return False
    return "@" in address


def _domain(address: str) -> str:
    return address.rpartition("@")[2].rstrip("> ")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
