"""Passwords as they are kept: hashed with argon2id, a few at a time.

Parameters are those that OWASP recommends: 19 MiB, two passes, one thread. A hash says with which
ones it was made, so that they can be changed: whoever logs in then gets a new hash.

That memory stays bounded takes one heap for all threads, MALLOC_ARENA_MAX=1 in the unit of every
service: of a heap for each thread, each keeps the memory of its last hash. Without it a crowd of
sixty took 500 MB.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_urlsafe
from threading import BoundedSemaphore
from typing import NoReturn
from unicodedata import normalize

from argon2 import PasswordHasher, Type
from argon2.exceptions import VerifyMismatchError
from prometheus_client import CollectorRegistry, Counter, Histogram

from skillupworks.runtime.problems import come_back

__all__ = ["Cost", "PasswordMetrics", "Passwords", "Verdict", "normal_form"]

WAIT_SECONDS = 5.0


def normal_form(password: str) -> str:
    """Return a password as it is hashed: the same for each way to type the same characters."""
    return normalize("NFKC", password)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a hash costs, and how many are made at the same time: together the memory it takes.

    As many as `waiting` requests wait for their turn; the others would take all threads from those
    that need no password.
    """

    memory_kib: int = 19 * 1024
    passes: int = 2
    at_once: int = 4
    waiting: int = 16


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password is right; `rehashed` is its new hash when the old one is out of date."""

    right: bool
    rehashed: str | None = None


class PasswordMetrics:
    """What is measured of hashing."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.seconds = Histogram(
            "skillupworks_password_hash_seconds",
            "Seconds that a password took to be hashed or checked, without the wait for its turn",
            registry=registry,
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
        )
        self.refused = Counter(
            "skillupworks_password_refused",
            "Requests that were sent away since too many passwords were being hashed",
            registry=registry,
        )


class Passwords:
    """The one way to a hash; thread-safe. ProblemError 503 when too many want one."""

    def __init__(self, metrics: PasswordMetrics, cost: Cost) -> None:
        self._metrics = metrics
        self._hasher = PasswordHasher(
            time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=1, type=Type.ID
        )
        self._waiting = BoundedSemaphore(cost.at_once + cost.waiting)
        self._turn = BoundedSemaphore(cost.at_once)
        # of no password that anybody could know
        self._nobody = self._hasher.hash(token_urlsafe(32))

    def hash(self, password: str) -> str:
        """Return what is kept of a password."""
        with self._a_turn():
            return self._hasher.hash(normal_form(password))

    def verify(self, hashed: str | None, password: str) -> Verdict:
        """Say whether a password is the hashed one; None, for nobody's, takes as long."""
        password = normal_form(password)
        with self._a_turn():
            try:
                self._hasher.verify(hashed or self._nobody, password)
            except VerifyMismatchError:
                return Verdict(right=False)
            if hashed is None:
                return Verdict(right=False)
            if not self._hasher.check_needs_rehash(hashed):
                return Verdict(right=True)
            return Verdict(right=True, rehashed=self._hasher.hash(password))

    @contextmanager
    def _a_turn(self) -> Iterator[None]:
        if not self._waiting.acquire(blocking=False):
            self._refuse()
        try:
            if not self._turn.acquire(timeout=WAIT_SECONDS):
                self._refuse()
            try:
                with self._metrics.seconds.time():
                    yield
            finally:
                self._turn.release()
        finally:
            self._waiting.release()

    def _refuse(self) -> NoReturn:
        self._metrics.refused.inc()
        raise come_back("Too many passwords are being checked")
