"""What marks a payment as being worked on by this process, and by none that has ended."""

import hashlib
import secrets

__all__ = ["Leases"]

# hexadecimal digits, 16 in all: as wide as the column
PLACE_DIGITS = PROCESS_DIGITS = 5
RANDOM_DIGITS = 6


class Leases:
    """Makes leases; thread-safe.

    `place` is the same for all processes of which only one can run at a time, such as the address
    that the service listens at. So whoever runs there may end what earlier ones have left. If two
    places look alike, somebody else's work is taken up too early, which costs time and no order.
    """

    def __init__(self, place: str) -> None:
        self.place = hashlib.sha256(place.encode()).hexdigest()[:PLACE_DIGITS]
        self.own = self.place + _digits(PROCESS_DIGITS)

    def new(self) -> str:
        """Return a lease of this process."""
        return self.own + _digits(RANDOM_DIGITS)


def _digits(count: int) -> str:
    return secrets.token_hex(count // 2 + 1)[:count]
