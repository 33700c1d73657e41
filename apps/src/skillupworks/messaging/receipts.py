"""Keeps book of the deliveries that are not settled, and groups their acknowledgements."""

from collections.abc import Sequence

__all__ = ["Receipts"]


class Receipts:
    """The deliveries of one channel that the broker waits to hear of, in the order they came.

    Each is acknowledged or returned once: the broker closes a channel on which a tag comes twice.
    """

    def __init__(self) -> None:
        self._open: dict[int, bool] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, tag: int) -> None:
        """Note a delivery."""
        self._open[tag] = True

    def acknowledge(self, tags: Sequence[int]) -> list[tuple[int, bool]]:
        """Settle deliveries; return what to tell the broker: tags, and whether each is "up to".

        One frame is enough for those before which no other delivery is at work.
        """
        oldest = 0
        for tag, earliest in zip(tags, self._open, strict=False):
            if tag != earliest:
                break
            oldest += 1
        frames = [(tags[oldest - 1], oldest > 1)] if oldest else []
        for tag in tags[:oldest]:
            del self._open[tag]
        return frames + [(tag, False) for tag in self.take(tags[oldest:])]

    def take(self, tags: Sequence[int]) -> list[int]:
        """Settle deliveries one by one; return those that were not settled before."""
        return [tag for tag in tags if self._open.pop(tag, False)]
