"""Readiness: named checks of what a service depends on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Check", "Readiness"]

# returns None when the dependency answers, otherwise one line that says what is wrong
Check = Callable[[], str | None]


@dataclass(frozen=True)
class Readiness:
    """The checks of a service; `degraded` ones are reported, but do not make it unready."""

    checks: Mapping[str, Check]
    degraded: Mapping[str, Check]

    def report(self) -> tuple[bool, dict[str, object]]:
        """Run all checks; return whether the service is ready, and the body to answer with."""
        required = {name: check() for name, check in self.checks.items()}
        optional = {name: check() for name, check in self.degraded.items()}
        ready = not any(required.values())
        status = "degraded" if any(optional.values()) else "ready"
        results = {name: problem or "ok" for name, problem in (required | optional).items()}
        return ready, {"status": status if ready else "not ready", "checks": results}
