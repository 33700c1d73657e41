"""The gateway's webhook: signed, so that nobody else can say that something was paid.

`Gateway-Signature: t=<unix time>,v1=<hex>`, where hex is the HMAC-SHA256 of time, a dot, and the
body. An old one is refused, so that it cannot be sent again by who has seen it.
"""

import hmac
import json
import re
import time
from collections.abc import Callable
from hashlib import sha256
from http import HTTPStatus

import structlog
import urllib3
from urllib3.exceptions import HTTPError

from skillupworks.runtime.http_client import HttpPool
from skillupworks.runtime.problems import ProblemError
from skillupworks.shop.gateway import Captured, Declined, Outcome
from skillupworks.shop.payment_attempt import PaymentStore
from skillupworks.shop.payment_model import WebhookRequest
from skillupworks.shop.payments import Payment
from skillupworks.shop.settlement import Settlement

__all__ = ["SIGNATURE", "Signer", "Webhook", "WebhookSender"]

log = structlog.get_logger()

SIGNATURE = "Gateway-Signature"
TOLERANCE_SECONDS = 300
FORM = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")
SEND_SECONDS = 5.0


class Signer:
    """Makes and checks signatures with a secret that gateway and payment share."""

    def __init__(self, secret: str, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret.encode()
        self._clock = clock

    def sign(self, body: bytes) -> str:
        """Return the header of a body that is sent now."""
        now = int(self._clock())
        return f"t={now},v1={self._digest(now, body)}"

    def check(self, header: str | None, body: bytes) -> None:
        """Raise ProblemError 401 unless the body was signed, a short while ago."""
        found = FORM.fullmatch(header or "")
        if (
            found is None
            or not hmac.compare_digest(found[2], self._digest(int(found[1]), body))
            or abs(self._clock() - int(found[1])) > TOLERANCE_SECONDS
        ):
            raise ProblemError(
                HTTPStatus.UNAUTHORIZED,
                f"{SIGNATURE}: must be the gateway's, not older than {TOLERANCE_SECONDS} s",
                headers={"WWW-Authenticate": SIGNATURE},
            )

    def _digest(self, at: int, body: bytes) -> str:
        return hmac.new(self._secret, b"%d." % at + body, sha256).hexdigest()


class Webhook:
    """Takes the outcomes that the gateway sends; thread-safe, and each may come again."""

    def __init__(self, store: PaymentStore, settlement: Settlement) -> None:
        self._store = store
        self._settlement = settlement

    def take(self, request: WebhookRequest) -> Payment:
        """Do what follows from an outcome; ProblemError 404 for a payment that is not known.

        409 for one that was not about to be charged, which is then left alone.
        """
        attempt = self._store.attempt(request.payment_id)
        if attempt is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, f"There is no payment {request.payment_id}")
        if not attempt.charging:
            raise ProblemError(HTTPStatus.CONFLICT, f"Payment {request.payment_id} was not charged")
        outcome: Outcome = Captured() if request.state == "captured" else Declined()
        return self._settlement.apply(attempt, outcome).payment


class WebhookSender:
    """Calls the webhook, as the simulated gateway has to; never raises."""

    def __init__(self, url: str, signer: Signer) -> None:
        self._pool = HttpPool(url)
        self._signer = signer

    def __call__(self, payment_id: str, outcome: Outcome) -> None:
        """Send an outcome once; what does not arrive the settler finds out."""
        state = "captured" if isinstance(outcome, Captured) else "declined"
        body = json.dumps({"paymentId": payment_id, "state": state}).encode()
        try:
            reply = self._pool.send(
                "POST",
                "/webhooks/gateway",
                timeout=urllib3.Timeout(total=SEND_SECONDS),
                content=body,
                headers={SIGNATURE: self._signer.sign(body)},
            )
        except (HTTPError, OSError) as error:
            log.warning(f"The webhook for payment {payment_id} did not arrive: {error}")
            return
        if reply.status != HTTPStatus.NO_CONTENT:
            log.warning(f"The webhook for payment {payment_id} was answered {reply.status}")

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()
