"""What pydantic found wrong, in the words that people are given: the field's path and why."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

__all__ = ["path_of", "problems_of", "words_of"]


def path_of(location: tuple[int | str, ...]) -> str:
    """Return `items[0].price` for ("items", 0, "price"), and "" for the whole document."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return path.removeprefix(".")


def words_of(detail: Mapping[str, Any]) -> str:
    """Return what is wrong with one field."""
    return str(detail["msg"]).removeprefix("Value error, ")


def problems_of(error: ValidationError) -> list[str]:
    """Return a line for each thing that is wrong with a document, without the values."""
    details = error.errors(include_url=False, include_input=False)
    if len(details) > 1:
        # "too short" also follows when all of a list's items are invalid, which is said already
        details = [detail for detail in details if detail["type"] != "too_short"] or details
    return [
        f"{path}: {words_of(detail)}" if (path := path_of(detail["loc"])) else words_of(detail)
        for detail in details
    ]
