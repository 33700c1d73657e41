"""Modular metadata: which stream a package belongs to, and what its profiles install."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

STREAMS = Path(__file__).with_name("streams.yaml")
VERSION = 9070020261101000000


def documents(artifacts: Mapping[str, Sequence[str]]) -> str:
    """Return modules.yaml for packages by stream: {"nginx:1.26": ["nginx-1:1.26.3-1.el9.x86_64"]}.

    No stream is the default of its module, as on RHEL 9; a profile may be one.
    """
    streams = yaml.safe_load(STREAMS.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = []
    for label, packages in sorted(artifacts.items()):
        name, _, stream = label.partition(":")
        facts = streams[label]
        found.append(_stream(name, stream, facts["profiles"], packages))
        if facts.get("default_profile"):
            found.append(_defaults(name, stream, facts["default_profile"]))
    return yaml.safe_dump_all(found, explicit_start=True, explicit_end=True, sort_keys=False)


def _stream(
    name: str, stream: str, profiles: Mapping[str, list[str]], packages: Sequence[str]
) -> dict[str, Any]:
    data = {
        "name": name,
        "stream": stream,
        "version": VERSION,
        "context": "c0ffee09",
        "arch": "x86_64",
        "summary": f"{name} {stream}",
        "description": f"{name} {stream} of the lab's contract",
        "license": {"module": ["MIT"]},
        "dependencies": [{"requires": {"platform": ["el9"]}}],
        "profiles": {profile: {"rpms": names} for profile, names in profiles.items()},
        "artifacts": {"rpms": sorted(packages)},
    }
    return {"document": "modulemd", "version": 2, "data": data}


def _defaults(name: str, stream: str, profile: str) -> dict[str, Any]:
    data = {"module": name, "profiles": {stream: [profile]}}
    return {"document": "modulemd-defaults", "version": 1, "data": data}
