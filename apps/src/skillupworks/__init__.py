"""The SkillUpWorks platform: its services, and the messaging and runtime they share."""

import sys

# structlog imports rich if it is there, for tracebacks on a terminal: 5 MB in every service. It is
# there for the operator's tools only. This package is what a service imports first, so structlog
# is imported here, while rich cannot be found; whoever needs rich imports it afterwards as usual.
if "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog as _structlog  # noqa: F401
    finally:
        del sys.modules["rich"]
