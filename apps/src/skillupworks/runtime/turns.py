"""How many requests of a slow kind are worked on at once: the others wait without a thread."""

import asyncio
from collections.abc import AsyncIterator

from skillupworks.runtime.problems import come_back

__all__ = ["Turns"]


class Turns:
    """`take` is a dependency of a route: at most `at_once` requests are past it.

    The others wait up to `seconds` in the event loop, and are answered with 503 then. So a back end
    that is slow for one route leaves threads for all other routes.
    """

    def __init__(self, at_once: int, seconds: float) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._seconds = seconds

    async def take(self) -> AsyncIterator[None]:
        """Keep a turn until the request is worked on; ProblemError when there is none in time."""
        try:
            async with asyncio.timeout(self._seconds):
                await self._free.acquire()
        except TimeoutError:
            raise come_back("Too many of these requests are being worked on") from None
        try:
            yield
        finally:
            self._free.release()
