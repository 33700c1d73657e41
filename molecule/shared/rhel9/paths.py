"""Where things are in the repository."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
ROLES = PROJECT / "roles"
TABLE = PROJECT / "molecule" / "shared" / "rhel9" / "facts.yml"


def specs() -> list[Path]:
    """Return the specs of the packages that contract hosts install; none where there are none."""
    return sorted((PROJECT / "molecule").glob("**/*.spec"))
