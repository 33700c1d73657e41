"""Asks other services over HTTP: pooled connections, bounded waits, and a pause after a failure.

A service that hangs costs one request a moment, and not each of them: after a failure it is left
alone for a while.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from random import uniform
from time import monotonic, sleep

import structlog
import urllib3
from urllib3.exceptions import HTTPError

from skillupworks.errors import TransientError
from skillupworks.runtime import trace

__all__ = ["HttpPool", "JitteredRetry", "Reply", "ServiceAwayError", "ServiceClient", "read_up_to"]

log = structlog.get_logger()

CONNECT_SECONDS = 1.0
REPLY_SECONDS = 2.0
# for both attempts together
CALL_SECONDS = 3.0
PAUSE_SECONDS = 2.0
# at the most, before the second attempt: those that failed together are not to come back together
JITTER_SECONDS = 0.1
ANSWER_BYTES = 64 * 1024
CONNECTIONS = 10

ONCE = urllib3.Retry(total=False, redirect=False)


def jitter() -> float:
    """Return for how long to wait before a request is sent once more."""
    return uniform(0, JITTER_SECONDS)  # noqa: S311 - no secret


class JitteredRetry(urllib3.Retry):
    """Waits before each further attempt; urllib3's own back-off begins with the third one."""

    def get_backoff_time(self) -> float:
        """Return how many seconds to wait."""
        return jitter()


def read_up_to(response: urllib3.BaseHTTPResponse, most: int) -> bytes:
    """Return the beginning of a body, `most` bytes of it, and give the connection back.

    HTTPError or OSError when it breaks off.
    """
    try:
        body = response.read(most, decode_content=False)
        if len(body) == most:  # whatever it is, it is not read to its end
            response.close()
    finally:
        response.release_conn()
    return body


class ServiceAwayError(TransientError):
    """A service does not answer, or not with anything that makes sense; it did it or not."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its status, and its body, of which no more than ANSWER_BYTES are read."""

    status: int
    body: bytes


class HttpPool:
    """Connections to one service, each used by one request at a time; thread-safe.

    Who finds that the service failed calls `pause`, and asks it nothing while it is `paused`.
    """

    def __init__(
        self,
        url: str,
        *,
        connections: int = CONNECTIONS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.url = url.rstrip("/")
        self._clock = clock
        self._resume_at = float("-inf")
        # who comes when all are in use makes one more, which is not kept
        self._http = urllib3.PoolManager(num_pools=1, maxsize=connections)

    def send(  # noqa: PLR0913 - what makes a request
        self,
        method: str,
        path: str,
        *,
        timeout: urllib3.Timeout,
        retries: urllib3.Retry = ONCE,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Return the answer to a request; HTTPError or OSError when there is none."""
        all_headers = {
            "Accept": "application/json",
            "User-Agent": "skillupworks",
            trace.HEADER: trace.current() or trace.accept(None),
            **({} if content is None else {"Content-Type": "application/json"}),
            **(headers or {}),
        }
        response = self._http.request(
            method,
            self.url + path,
            body=content,
            headers=all_headers,
            redirect=False,
            timeout=timeout,
            retries=retries,
            preload_content=False,
        )
        return Reply(response.status, read_up_to(response, ANSWER_BYTES))

    def pause(self) -> None:
        """Leave the service alone for PAUSE_SECONDS from now on."""
        self._resume_at = self._clock() + PAUSE_SECONDS

    @property
    def paused(self) -> bool:
        """Whether it failed a moment ago."""
        return self._clock() < self._resume_at

    def check(self, name: str, timeout: urllib3.Timeout) -> str | None:
        """Return None when the service answers, paused or not, otherwise what is wrong."""
        try:
            reply = self.send("GET", "/health", timeout=timeout)
        except (HTTPError, OSError) as error:
            return f"{name} {self.url}: {error}"
        ok = reply.status == HTTPStatus.OK
        return None if ok else f"{name} {self.url}: answers {reply.status}"

    def close(self) -> None:
        """Close all connections."""
        self._http.clear()


class ServiceClient:
    """A service that this one cannot do without; thread-safe. Raises ServiceAwayError.

    After a failure it is not asked for PAUSE_SECONDS, and taken for away at once.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        clock: Callable[[], float] = monotonic,
        wait: Callable[[float], None] = sleep,
    ) -> None:
        self._name = name
        self._pool = HttpPool(url, clock=clock)
        self._clock = clock
        self._wait = wait

    def call(self, method: str, path: str, body: object = None) -> Reply:
        """Return the answer to a request that may be repeated, and is so once: below 500."""
        if self._pool.paused:
            raise ServiceAwayError(f"The {self._name} was away a moment ago")
        content = None if body is None else json.dumps(body).encode()
        deadline = self._clock() + CALL_SECONDS
        try:
            try:
                reply = self._send(method, path, content, deadline)
            except (HTTPError, OSError):
                # the server may have closed an idle connection at the same moment
                self._wait(jitter())
                reply = self._send(method, path, content, deadline)
        except (HTTPError, OSError) as error:
            self._pool.pause()
            raise self._away(str(error)) from error
        if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise self._away(f"it answers {reply.status}")
        return reply

    def check(self) -> str | None:
        """Return None when the service answers, otherwise what is wrong."""
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=REPLY_SECONDS)
        return self._pool.check(self._name, timeout)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def _send(self, method: str, path: str, content: bytes | None, deadline: float) -> Reply:
        left = deadline - self._clock()
        if left <= 0:
            raise TimeoutError("no time is left")
        timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, left), read=min(REPLY_SECONDS, left))
        return self._pool.send(method, path, timeout=timeout, content=content)

    def _away(self, reason: str) -> ServiceAwayError:
        # customers are told no addresses
        log.warning(f"The {self._name} {self._pool.url} is away: {reason}", outcome="away")
        return ServiceAwayError(f"The {self._name} does not answer")
