"""Trace context by W3C's traceparent: one trace from a request to the last effect of its order.

A traceparent is `00-<trace id>-<span id>-<flags>`. The trace id is the same on the whole way; each
service puts a span id of its own in and hands the result on. What runs in a trace has `trace_id`
in all of its log events. There are no spans to collect: joining two hosts' journals needs the id.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from random import getrandbits

from structlog.contextvars import bind_contextvars, reset_contextvars

__all__ = ["HEADER", "accept", "bind", "current", "current_id", "trace_id", "traced"]

HEADER = "traceparent"

# a later version may append fields to those of version 00; "ff" is no version
VALID = re.compile(
    r"(?!ff)(?!00-.{53})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})"
    r"(-.*)?"
)
SAMPLED = "01"

_current: ContextVar[str | None] = ContextVar("traceparent", default=None)


def accept(header: object) -> str:
    """Continue the trace of a received header with a span of our own; begin one if it has none.

    Never raises: what is no valid traceparent is as good as none.
    """
    found = VALID.fullmatch(header) if isinstance(header, str) else None
    # unique, not secret: asking the kernel would cost more than all the rest
    span = getrandbits(64) or 1
    if found is None:
        return f"00-{getrandbits(128) or 1:032x}-{span:016x}-{SAMPLED}"
    return f"00-{found[1]}-{span:016x}-{found[2]}"


def trace_id(traceparent: str) -> str:
    """Return the trace id of a valid traceparent."""
    return traceparent[3:35]


def current() -> str | None:
    """Return the traceparent to hand on from here, or None outside of a trace."""
    return _current.get()


def current_id() -> str | None:
    """Return the trace id of where this runs, or None outside of a trace."""
    traceparent = _current.get()
    return None if traceparent is None else trace_id(traceparent)


def bind(traceparent: str) -> None:
    """Be in a trace for the rest of this task or thread; for tasks that end with their request."""
    _current.set(traceparent)
    bind_contextvars(trace_id=trace_id(traceparent))


@contextmanager
def traced(traceparent: str) -> Iterator[None]:
    """Be in a trace within the block, and then in the one before or in none."""
    token = _current.set(traceparent)
    bound = bind_contextvars(trace_id=trace_id(traceparent))
    try:
        yield
    finally:
        reset_contextvars(**bound)
        _current.reset(token)
