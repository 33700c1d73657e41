"""The Debian archive as this machine reaches it: mirrors and the apt settings guests need.

Host names of archives are never written in this repository. They are read from the machine's
own apt configuration, from the entries that are Debian's (other vendors' stand beside them).
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.command import run
from lab.errors import HostError

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Settings that say how the archive is reached; a guest uses the same archive the same way.
CARRIED_OVER = re.compile(
    r"Acquire::(((http|https)::(\S+::)?Proxy)|Retries|Check-Valid-Until|Check-Date)", re.IGNORECASE
)

ONE_LINE_ENTRY = re.compile(r"deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s*(.*)")


@dataclass(frozen=True)
class _Entry:
    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    keyring: str


@dataclass(frozen=True)
class Archive:
    """Where Debian's packages come from: the main and the security archive, and apt settings."""

    main: str
    security: str | None
    settings: tuple[str, ...]

    def sources(self, suite: str) -> str:
        """Return the deb822 sources of a Debian release; the unstable one has neither updates."""
        unstable = suite == "sid"
        stanzas = [(self.main, suite if unstable else f"{suite} {suite}-updates")]
        if self.security and not unstable:
            stanzas.append((self.security, f"{suite}-security"))
        return "\n".join(
            f"Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: main\nSigned-By: {KEYRING}\n"
            for uri, suites in stanzas
        )


def read_archive(etc_apt: Path = Path("/etc/apt")) -> Archive:
    """Return the archive this machine uses, or raise HostError where it names none of Debian's."""
    main = security = None
    for entry in _entries(etc_apt):
        if "main" not in entry.components or not _is_debian(entry):
            continue
        if any(suite.endswith(("-security", "/updates")) for suite in entry.suites):
            security = security or entry.uri
        elif not all("-" in suite for suite in entry.suites):
            main = main or entry.uri
    if main is None:
        raise HostError(f"no Debian archive in {etc_apt}/sources.list or {etc_apt}/sources.list.d")
    return Archive(main, security, _settings())


def _is_debian(entry: _Entry) -> bool:
    """Tell Debian's own entries from vendors' that reuse its suite and component names."""
    last = entry.uri.rstrip("/").rsplit("/", 1)[-1]
    return "debian-archive-keyring" in entry.keyring or last in {"debian", "debian-security"}


def _entries(etc_apt: Path) -> Iterator[_Entry]:
    """Yield every enabled binary entry of apt's sources, in apt's order."""
    files = [etc_apt / "sources.list", *sorted((etc_apt / "sources.list.d").glob("*"))]
    for file in files:
        if not file.is_file():
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        if file.suffix == ".list":
            yield from _one_line_entries(text)
        elif file.suffix == ".sources":
            yield from _deb822_entries(text)


def _one_line_entries(text: str) -> Iterator[_Entry]:
    """Read `deb [options] uri suite component…` lines."""
    for line in text.splitlines():
        match = ONE_LINE_ENTRY.match(line.split("#")[0].strip())
        if match:
            options, uri, suite, components = match.groups()
            keyring = re.search(r"signed-by=(\S+)", options or "", re.IGNORECASE)
            yield _Entry(
                _mirror(uri), (suite,), tuple(components.split()), keyring[1] if keyring else ""
            )


def _deb822_entries(text: str) -> Iterator[_Entry]:
    """Read stanzas of `Field: value` lines; continued lines begin with a blank."""
    without_comments = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", re.sub(r"\n[ \t]+", " ", without_comments)):
        pairs = (line.split(":", 1) for line in stanza.splitlines() if ":" in line)
        fields = {key.strip().lower(): value.strip() for key, value in pairs}
        if fields.get("enabled", "yes").lower() == "no":
            continue
        if "deb" not in fields.get("types", "").split():
            continue
        for uri in fields.get("uris", "").split():
            yield _Entry(
                _mirror(uri),
                tuple(fields.get("suites", "").split()),
                tuple(fields.get("components", "").split()),
                fields.get("signed-by", ""),
            )


def _mirror(uri: str) -> str:
    """Resolve `mirror+file:` (Debian's cloud images use it) to the first mirror of that file."""
    if not uri.startswith("mirror+file:"):
        return uri
    lines = Path(uri.removeprefix("mirror+file:")).read_text(encoding="utf-8").split()
    return lines[0] if lines else uri


def _settings() -> tuple[str, ...]:
    """Return apt.conf lines with this machine's proxy and validity settings."""
    lines = [line for line in run(["apt-config", "dump"]).splitlines() if CARRIED_OVER.match(line)]
    for scheme in ("http", "https"):
        proxy = os.environ.get(f"{scheme}_proxy")
        if proxy and not any(line.startswith(f"Acquire::{scheme}::Proxy ") for line in lines):
            lines.append(f'Acquire::{scheme}::Proxy "{proxy}";')
    return tuple(line for line in lines if not line.endswith('"";'))
