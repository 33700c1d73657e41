"""Back ends are chosen by settings, and what the chosen one needs is asked for at the start."""

from typing import Any

import pytest

from skillupworks.errors import ConfigurationError
from skillupworks.reliability.back_end import LogBackEnd
from skillupworks.reliability.effects import Effect
from skillupworks.runtime import trace
from skillupworks.runtime.settings import load
from skillupworks.shop.back_ends import BackEndSettings, back_ends
from skillupworks.shop.email import MailServer
from skillupworks.shop.warehouse import Warehouse

SMTP = {
    "EMAIL_BACKEND": "smtp",
    "SMTP_HOST": "mail-1",
    "EMAIL_FROM": "SkillUpWorks <shop@example.com>",
    "EMAIL_TO": "{userId}@example.com",
}


def settings(monkeypatch: pytest.MonkeyPatch, **variables: str) -> BackEndSettings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load(BackEndSettings)


def problems(monkeypatch: pytest.MonkeyPatch, **variables: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        settings(monkeypatch, **variables)
    return caught.value.problems


def test_without_settings_the_documented_lines_are_printed(
    monkeypatch: pytest.MonkeyPatch, events: list[Any]
) -> None:
    ends = back_ends(settings(monkeypatch))

    with trace.traced(f"00-{'a' * 32}-{'b' * 16}-01"):
        for end in ends.values():
            assert isinstance(end, LogBackEnd)
            end.deliver(Effect("ORD-1", None, 0))
            end.close()

    assert [
        ("📧 Confirmation email sent (simulated)", "ORD-1", "a" * 32),
        ("📦 Warehouse notified (simulated)", "ORD-1", "a" * 32),
    ] == [(event["event"], event["order_id"], event["trace_id"]) for event in events]


def test_a_mail_server_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    mail = back_ends(settings(monkeypatch, **SMTP))["email"]

    assert isinstance(mail, MailServer)
    assert ("mail-1", 25, False) == (mail.host, mail.port, mail.starttls)
    assert mail.message_domain == "example.com"


def test_the_domain_of_message_ids_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    mail = back_ends(settings(monkeypatch, **SMTP, EMAIL_MESSAGE_DOMAIN="orders.example"))["email"]

    assert isinstance(mail, MailServer)
    assert mail.message_domain == "orders.example"


def test_a_warehouse_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://warehouse-1/notices"

    ends = back_ends(settings(monkeypatch, WAREHOUSE_BACKEND="http", WAREHOUSE_URL=url))

    assert isinstance(ends["warehouse"], Warehouse)


def test_everything_that_is_missing_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert problems(monkeypatch, EMAIL_BACKEND="smtp", WAREHOUSE_BACKEND="http") == (
        "SMTP_HOST: is required when EMAIL_BACKEND is smtp",
        "EMAIL_FROM: is required when EMAIL_BACKEND is smtp",
        "EMAIL_TO: is required when EMAIL_BACKEND is smtp",
        "WAREHOUSE_URL: is required when WAREHOUSE_BACKEND is http",
    )


def test_a_password_is_not_sent_as_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    password, starttls = problems(monkeypatch, **SMTP, SMTP_USER="shop")

    assert password == "SMTP_PASS: is required when SMTP_USER is set"
    assert starttls.startswith("SMTP_STARTTLS: must be true when SMTP_USER is set: ")


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("EMAIL_BACKEND", "pigeon", "EMAIL_BACKEND: Input should be 'log' or 'smtp'"),
        ("EMAIL_FROM", "shop", "EMAIL_FROM: must be an address, got 'shop'"),
        ("EMAIL_TO", "{userId}", "EMAIL_TO: must be an address"),
        ("EMAIL_TO", "{email}@example.com", "EMAIL_TO: must be an address"),
        ("EMAIL_TO", "{userId.x}@example.com", "EMAIL_TO: must be an address"),
        ("EMAIL_TO", "{@example.com", "EMAIL_TO: must be an address"),
        ("SMTP_PORT", "0", "SMTP_PORT: must be between 1 and 65535"),
        ("SMTP_STARTTLS", "perhaps", "SMTP_STARTTLS: Input should be a valid boolean"),
        ("WAREHOUSE_URL", "warehouse-1", "WAREHOUSE_URL: must be an http or https URL"),
        ("WAREHOUSE_URL", "ftp://warehouse-1", "WAREHOUSE_URL: must be an http or https URL"),
        ("WAREHOUSE_URL", "http://", "WAREHOUSE_URL: must be an http or https URL"),
        ("WAREHOUSE_URL", "http://[::1", "WAREHOUSE_URL: must be an http or https URL"),
    ],
)
def test_a_wrong_value_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, problem: str
) -> None:
    valid = SMTP | {"WAREHOUSE_BACKEND": "http", "WAREHOUSE_URL": "http://warehouse-1"}

    (line,) = problems(monkeypatch, **valid | {variable: value})

    assert line.startswith(problem)
