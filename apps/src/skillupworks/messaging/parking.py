"""Parks messages that can never be processed in the dead-letter queue, with the reason.

The copy is published by us and not dead-lettered by the broker: a rejected message would carry
only "rejected", while ours says why, how often it was tried and when.
"""

from datetime import UTC, datetime

from skillupworks.errors import PermanentError
from skillupworks.messaging.message import Delivery, Outgoing
from skillupworks.messaging.publisher import Publisher

__all__ = ["Parking"]

ERROR_CHARACTERS = 2000
# all properties of a message must fit into one frame (128 KiB): a message whose own headers are
# near that could not be parked with more of them
HEADER_CHARACTERS = 64 * 1024


class Parking:
    """Publishes copies to the dead-letter exchange on a connection of its own.

    Owned by one thread. The connection is kept for the next failure as long as `serve` is called.
    """

    def __init__(self, publisher: Publisher, exchange: str, routing_key: str) -> None:
        self._publisher = publisher
        self._exchange = exchange
        self._routing_key = routing_key

    def park(
        self, delivery: Delivery, error: PermanentError, attempts: int, first_failed_at: datetime
    ) -> None:
        """Park a copy; when this returns, the broker has it and the original can be acknowledged.

        Raises TransientError when the copy was not confirmed: do not acknowledge the original then.
        """
        now = datetime.now(UTC)
        cause = error.__cause__ or error
        history = {
            "skillupworks-reason": error.reason,
            "skillupworks-error": str(error)[:ERROR_CHARACTERS],
            "skillupworks-error-class": type(cause).__name__,
            "skillupworks-attempts": attempts,
            "skillupworks-first-failed-at": first_failed_at.isoformat(timespec="milliseconds"),
            "skillupworks-last-failed-at": now.isoformat(timespec="milliseconds"),
            "skillupworks-exchange": delivery.exchange,
            "skillupworks-routing-key": delivery.routing_key,
        }
        original = delivery.headers
        if len(repr(original)) > HEADER_CHARACTERS:
            original = {"skillupworks-headers": "left out, since they were too large"}
        self._publisher.publish(
            Outgoing(
                exchange=self._exchange,
                routing_key=self._routing_key,
                body=delivery.body,
                message_id=delivery.message_id,
                timestamp=now,
                type=delivery.type,
                content_type=delivery.content_type,
                content_encoding=delivery.content_encoding,
                headers={**original, **history},
            )
        )

    def serve(self) -> None:
        """Keep the connection alive while there is nothing to park."""
        self._publisher.serve()

    def close(self) -> None:
        """Close the connection."""
        self._publisher.close()
