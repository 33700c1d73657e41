"""What all who speak of products agree on."""

from typing import Annotated

from pydantic import Field

__all__ = ["Price"]

# in paise; so that the largest order (50 lines of 99) stays within what money.py allows
Price = Annotated[int, Field(ge=1, le=10_000_000)]
