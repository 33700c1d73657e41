"""What marks a payment as being worked on by this process, and by none that has ended."""

import hashlib
import secrets
from collections import deque
from collections.abc import Callable

from skillupworks.errors import TransientError
from skillupworks.shop.payment_attempt import Attempt

__all__ = ["Leases"]

# hexadecimal digits, 16 in all: as wide as the column
PLACE_DIGITS = PROCESS_DIGITS = 5
RANDOM_DIGITS = 6
# the oldest one that is too many ends by itself, with its time
MOST_LEFT = 1000


class Leases:
    """Makes leases; thread-safe.

    `place` is the same for all processes of which only one can run at a time, such as the address
    that the service listens at. So whoever runs there may end what earlier ones have left. If two
    places look alike, somebody else's work is taken up too early, which costs time and no order.
    """

    def __init__(self, place: str) -> None:
        self.place = hashlib.sha256(place.encode()).hexdigest()[:PLACE_DIGITS]
        self.own = self.place + _digits(PROCESS_DIGITS)
        self._left: deque[Attempt] = deque(maxlen=MOST_LEFT)

    def new(self) -> str:
        """Return a lease of this process."""
        return self.own + _digits(RANDOM_DIGITS)

    def leave(self, attempt: Attempt) -> None:
        """Remember a lease that may be there still: the database went away before its end."""
        self._left.append(attempt)

    def end_left(self, end: Callable[[Attempt], None]) -> None:
        """End the leases that were left; raises TransientError, and remembers what it did not end.

        So customers who were cut off go on when the database is back, not when the lease runs out.
        """
        while self._left:
            attempt = self._left.popleft()
            try:
                end(attempt)
            except TransientError:
                self._left.appendleft(attempt)
                raise


def _digits(count: int) -> str:
    return secrets.token_hex(count // 2 + 1)[:count]
