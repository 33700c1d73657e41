"""The service user: accounts, logins and guests."""

import sys
from typing import Self

import structlog
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from pydantic import Field, field_validator, model_validator

from skillupworks.errors import ConfigurationError
from skillupworks.runtime.client_address import TrustedProxies
from skillupworks.runtime.health import Readiness
from skillupworks.runtime.http_server import listen, serve_http
from skillupworks.runtime.mongo import MongoDatabase
from skillupworks.runtime.redis import RedisPool
from skillupworks.runtime.service import Service, run
from skillupworks.runtime.settings import MAX_PORT, MongoSettings, RedisSettings
from skillupworks.shop.account_store import MongoAccountStore, prepare
from skillupworks.shop.accounts import AccountMetrics, Accounts
from skillupworks.shop.gate import Gate, LoginMetrics
from skillupworks.shop.passwords import Cost, PasswordMetrics, Passwords
from skillupworks.shop.session_cookies import SessionCookies
from skillupworks.shop.session_store import Lifetime, RedisSessionStore
from skillupworks.shop.throttle import Allowance, RedisThrottle
from skillupworks.shop.user_api import create_app
from skillupworks.shop.visitors import Visitors

__all__ = ["UserSettings", "main"]

log = structlog.get_logger()

# as many requests use a database at once; the others wait for a connection
POOL_SIZE = 20

DAY_SECONDS = 24 * 60 * 60
YEAR_SECONDS = 366 * DAY_SECONDS
MOST_ATTEMPTS = 1_000_000


class AccountDatabaseSettings(MongoSettings):
    """The environment of `user --migrate`."""

    mongodb_database: str = "users"


class UserSettings(AccountDatabaseSettings, RedisSettings):
    """The environment of user."""

    http_listen: str = "127.0.0.1"
    http_port: int = Field(default=8082, ge=1, le=MAX_PORT)
    # networks of the proxies whose X-Forwarded-For is believed, separated by commas
    trusted_proxies: str = ""
    # off only where the shop has no TLS
    cookie_secure: bool = True
    # a session ends when it was not used for so long: as long as a cart is kept, a guest's cart
    # could not be reached without it
    session_idle_seconds: int = Field(default=7 * DAY_SECONDS, ge=1, le=YEAR_SECONDS)
    # and so long after the login however much it is used
    session_longest_seconds: int = Field(default=30 * DAY_SECONDS, ge=1, le=YEAR_SECONDS)
    # a browser's token is replaced when it is so old, and then works for so much longer
    session_renew_seconds: int = Field(default=DAY_SECONDS, ge=1, le=YEAR_SECONDS)
    session_grace_seconds: int = Field(default=60, ge=1, le=3600)
    # what is free before pauses begin: logins, new accounts, new guests
    login_attempts_account: int = Field(default=5, ge=1, le=MOST_ATTEMPTS)
    login_attempts_address: int = Field(default=50, ge=1, le=MOST_ATTEMPTS)
    registrations_address: int = Field(default=20, ge=1, le=MOST_ATTEMPTS)
    guests_address: int = Field(default=500, ge=1, le=MOST_ATTEMPTS)
    # what a password costs, and how many at the same time
    password_memory_kib: int = Field(default=19 * 1024, ge=1024, le=1024 * 1024)
    password_passes: int = Field(default=2, ge=1, le=100)
    passwords_at_once: int = Field(default=4, ge=1, le=64)

    @field_validator("trusted_proxies")
    @classmethod
    def _names_networks(cls, value: str) -> str:
        TrustedProxies(value)
        return value

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if self.session_idle_seconds > self.session_longest_seconds:
            raise ConfigurationError(
                "SESSION_IDLE_SECONDS: must not be more than SESSION_LONGEST_SECONDS"
            )
        return self


def main() -> None:
    """Entry point of the console script."""
    sys.exit(
        run(
            Service(
                name="user",
                description="Knows who somebody is: accounts, logins and guests.",
                settings=UserSettings,
                database=AccountDatabaseSettings,
                check=lambda _settings: None,
                migrate=prepare,
                serve=serve,
            )
        )
    )


def serve(settings: UserSettings) -> None:
    """Answer requests until SIGTERM; OSError when the address cannot be had."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    redis = RedisPool(settings, size=POOL_SIZE)
    database = MongoDatabase(settings, size=POOL_SIZE)
    store = MongoAccountStore(database)
    sessions = RedisSessionStore(redis, _lifetime(settings))
    gate = Gate(
        store,
        Passwords(PasswordMetrics(registry), _cost(settings)),
        RedisThrottle(redis, _allowance(settings)),
        LoginMetrics(registry),
    )
    accounts = Accounts(store, sessions, gate, AccountMetrics(registry))
    readiness = Readiness(checks={"mongodb": store.check, "redis": redis.check}, degraded={})
    visitors = Visitors(
        sessions,
        SessionCookies(secure=settings.cookie_secure, seconds=settings.session_longest_seconds),
        TrustedProxies(settings.trusted_proxies),
    )
    try:
        app = create_app(accounts, visitors, readiness, registry)
        serve_http(app, listen(settings.http_listen, settings.http_port))
    finally:
        database.close()
        redis.close()
    log.info("Stopped")


def _lifetime(settings: UserSettings) -> Lifetime:
    return Lifetime(
        idle=settings.session_idle_seconds,
        longest=settings.session_longest_seconds,
        renew=settings.session_renew_seconds,
        grace=settings.session_grace_seconds,
    )


def _allowance(settings: UserSettings) -> Allowance:
    return Allowance(
        account_logins=settings.login_attempts_account,
        address_logins=settings.login_attempts_address,
        registrations=settings.registrations_address,
        guests=settings.guests_address,
    )


def _cost(settings: UserSettings) -> Cost:
    return Cost(
        memory_kib=settings.password_memory_kib,
        passes=settings.password_passes,
        at_once=settings.passwords_at_once,
    )
