"""The notice of an order to the warehouse, by HTTP."""

from http import HTTPStatus
from time import monotonic

import structlog
import urllib3
from urllib3.exceptions import HTTPError

from skillupworks.errors import BackEndUnavailableError, PermanentError, TransientError
from skillupworks.reliability.effects import Effect
from skillupworks.runtime import trace
from skillupworks.runtime.http_client import read_up_to
from skillupworks.shop.order_lines import WAREHOUSE_LINE

__all__ = ["Warehouse"]

log = structlog.get_logger()

CONNECT_SECONDS = 3
REPLY_SECONDS = 10
# an answer is read up to here, and this much of it is told when it is an error
ANSWER_BYTES = 16 * 1024
ANSWER_CHARACTERS = 300

# a server that is busy or restarts, and a wrong address or credential: no order's own fault
UNAVAILABLE = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}


class Warehouse:
    """A BackEnd that posts the order's message as it was published.

    The order's id is the Idempotency-Key: the warehouse answers a notice that comes again with
    the first answer, or with 409.
    """

    batch = 20

    def __init__(self, url: str, token: str = "") -> None:
        self._url = url
        self._authorization = {"Authorization": f"Bearer {token}"} if token else {}
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=REPLY_SECONDS)
        self._http = urllib3.PoolManager(num_pools=1, timeout=timeout, retries=False)

    def deliver(self, effect: Effect) -> None:
        """See BackEnd."""
        began = monotonic()
        status, words = self._post(effect)
        if not (HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES):
            _raise_unless_known(status, words)
        log.info(
            WAREHOUSE_LINE,
            order_id=effect.order_id,
            outcome="delivered",
            attempt=effect.attempts + 1,
            status=status,
            duration_ms=round((monotonic() - began) * 1000, 1),
        )

    def close(self) -> None:
        """See BackEnd."""
        self._http.clear()

    def _post(self, effect: Effect) -> tuple[int, str]:
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": effect.order_id,
            "User-Agent": "skillupworks",
            trace.HEADER: trace.current() or trace.accept(None),
            **self._authorization,
        }
        try:
            # a redirect is not followed: it would turn the POST into a GET
            response = self._http.request(
                "POST",
                self._url,
                body=effect.payload.encode(),
                headers=headers,
                redirect=False,
                preload_content=False,
            )
            words = read_up_to(response, ANSWER_BYTES)
        except (HTTPError, OSError) as error:
            raise BackEndUnavailableError(f"warehouse {self._url}: {error}") from error
        return response.status, " ".join(words.decode(errors="replace").split())[:ANSWER_CHARACTERS]


def _raise_unless_known(status: int, words: str) -> None:
    """Raise what an answer other than 2xx means, unless the warehouse knows the order already."""
    answer = f"{status} {words}".rstrip()
    if status == HTTPStatus.CONFLICT:
        return
    if status in UNAVAILABLE or status < HTTPStatus.BAD_REQUEST:
        raise BackEndUnavailableError(f"the warehouse answers {answer}")
    if status < HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.REQUEST_TIMEOUT:
        raise PermanentError(f"the warehouse refuses it: {answer}", reason="refused")
    raise TransientError(f"the warehouse does not take it now: {answer}")
