"""The short RPM specs of the contract, and what their headers say about where they come from."""

import re
from dataclasses import dataclass
from pathlib import Path

from lab.errors import ImageError

SPECS = Path(__file__).with_name("specs")
HEADER = re.compile(r"# (repository|suites|debian|module|wheels): +(.+)")


@dataclass(frozen=True)
class Spec:
    """One spec and the comments at its top.

    `repository` is one of the mirror's, `suites` are the Debian releases it is built over, `debian`
    the Debian packages whose files it takes (`suite/name` for those of another release), `module`
    a stream such as nginx:1.26, `wheels` a lock file of the role mongodb whose packages it holds.
    """

    path: Path
    repository: str
    suites: tuple[str, ...]
    debian: tuple[str, ...]
    module: str | None
    wheels: str | None

    @property
    def name(self) -> str:
        """Return the name of the source package."""
        return self.path.stem

    def packages(self, suite: str) -> list[tuple[str, str]]:
        """Return the Debian packages to unpack over this suite, as (suite, name)."""
        pairs = (word.rpartition("/") for word in self.debian)
        return [(other or suite, name) for other, _, name in pairs]


def read_specs(suite: str, folder: Path = SPECS) -> list[Spec]:
    """Return the specs that are built over a Debian release.

    ImageError names one without a repository.
    """
    specs = [read_spec(path) for path in sorted(folder.glob("*.spec"))]
    return [spec for spec in specs if suite in spec.suites]


def read_spec(path: Path) -> Spec:
    """Read the header of one spec."""
    fields = dict(HEADER.findall(path.read_text(encoding="utf-8")))
    if "repository" not in fields:
        raise ImageError(f"{path.name} has no line `# repository: …`")
    return Spec(
        path,
        fields["repository"],
        tuple(fields.get("suites", "bookworm trixie").split()),
        tuple(fields.get("debian", "").split()),
        fields.get("module"),
        fields.get("wheels"),
    )
