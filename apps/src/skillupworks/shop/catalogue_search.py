"""How products are found and listed: words, order, and the mark where a page ended."""

import base64
import binascii
import unicodedata
from dataclasses import dataclass

__all__ = ["Query", "fold", "read_cursor", "search_text", "sort_key", "to_cursor"]

# of what a cursor says; another release that counts otherwise takes another letter
VERSION = "1"


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for: a category or "" for all; words that must all occur; a page's bounds."""

    category: str
    words: tuple[str, ...]
    after: str
    limit: int


def fold(text: str) -> str:
    """Return a text in which case and accents make no difference."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in plain if not unicodedata.combining(char))


def search_text(name: str, summary: str, tags: list[str]) -> str:
    """Return the text in which words are looked for."""
    return "\n".join(fold(part) for part in (name, summary, *tags))


def sort_key(name: str, sku: str) -> str:
    """Return a product's place: by name, and by sku where names are the same, so it is unique."""
    return f"{fold(name)}\t{sku}"


def to_cursor(key: str) -> str:
    """Return a mark of the last product of a page; what it says is no client's business."""
    return base64.urlsafe_b64encode(f"{VERSION}{key}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> str:
    """Return the key of a mark; ValueError when it is none of ours."""
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        text = data.decode()
    except (binascii.Error, ValueError):
        text = ""
    if not text.startswith(VERSION) or "\t" not in text:
        raise ValueError("must be `next` of an earlier answer")
    return text.removeprefix(VERSION)
