"""Pauses between attempts: exponential, capped, with full jitter, and no limit of attempts."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Backoff"]


@dataclass
class Backoff:
    """The pauses of one series of attempts, in seconds.

    Full jitter (uniform between nothing and the ceiling) keeps many clients that lost the same
    server from coming back at the same moment. Not thread-safe.
    """

    base: float
    cap: float
    uniform: Callable[[float, float], float] = random.uniform
    attempts: int = field(default=0, init=False)

    def next_pause(self) -> float:
        """Return the next pause; its ceiling doubles each time until it reaches the cap."""
        # the exponent is bounded so that thousands of attempts do not overflow a float
        ceiling = min(self.cap, self.base * 2 ** min(self.attempts, 32))
        self.attempts += 1
        return self.uniform(0, ceiling)

    def reset(self) -> None:
        """Begin anew after a success."""
        self.attempts = 0
