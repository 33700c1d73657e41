"""The SkillUpWorks platform: its services, and the messaging and runtime they share.

This package is what a service imports first. What libraries import, and a service does not use, is
kept out of its memory here, in one place:

asyncio   structlog and pika import it for interfaces that a consumer does not use: 2 MB.
html      http.server imports it, with all its entities, for pages of errors: 0.4 MB.
rich      structlog imports it for tracebacks on a terminal, if it is there for the operator's
          tools: 5 MB.
"""

import importlib
import logging
import sys
from types import ModuleType


class _LoadedWhenUsed(ModuleType):
    """Stands in for a module until somebody looks into it."""

    def __getattr__(self, name: str) -> object:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        module = importlib.import_module(self.__name__)
        # whoever has imported the stand-in goes on with it
        self.__dict__.update(module.__dict__)
        return getattr(module, name)


def _load_when_used(*names: str) -> None:
    for name in names:
        sys.modules.setdefault(name, _LoadedWhenUsed(name))


def _import_without(absent: str, name: str) -> None:
    """Import a module as if another one, which it would import too, was not installed."""
    if absent not in sys.modules:
        sys.modules[absent] = None  # type: ignore[assignment]
        try:
            importlib.import_module(name)
        finally:
            del sys.modules[absent]


_load_when_used("asyncio", "html")
# a log record would ask asyncio for the name of its task (from Python 3.12 on)
logging.logAsyncioTasks = False  # type: ignore[attr-defined]
_import_without("rich", "structlog")
