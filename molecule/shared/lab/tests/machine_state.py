"""What a lab could leave on this machine, and the difference between two moments.

Other labs may come and go meanwhile; what carries their name is not counted.
"""

import json
import os
import subprocess
from pathlib import Path

from lab.cgroup import hierarchies
from lab.paths import STATE

OURS = ("selftest", "neighbour")
BUILD = "skillupworks-lab/debian"

State = dict[str, set[str]]


def machine_state() -> State:
    """Return mounts, links, namespaces, tables, cgroups, files and our processes, as text."""
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    links = json.loads(_output("ip", "-j", "link", "show"))
    return {
        "mounts": {line.split()[4] for line in mounts},
        "links": {f"{link['ifname']} {link.get('ifalias', '')}" for link in links},
        "namespaces": {str(path) for path in Path("/run/netns").glob("*")},
        "tables": set(_output("nft", "list", "tables").splitlines()),
        "cgroups": {
            path for tree in hierarchies() for path, _, _ in os.walk(tree) if _is_ours(path)
        },
        "files": {str(path) for path in STATE.glob("*")}
        | {str(path) for path in Path("/run/systemd/nspawn").glob("*/*") if _is_ours(str(path))},
        "processes": _our_processes(),
    }


def left_behind(before: State) -> State:
    """Return what is there now and was not before, without what other labs did meanwhile."""
    after = machine_state()
    # All labs have a bridge; its name ends with the lab's.
    links = {link.split()[0] for link in before["links"] | after["links"]}
    others = {link.removeprefix("lab-") for link in links if link.startswith("lab-")} - set(OURS)
    return {
        kind: new
        for kind in after
        if (new := {thing for thing in after[kind] - before[kind] if not _belongs(thing, others)})
    }


def network_namespaces_in_use() -> set[str]:
    """Return the network namespaces of all processes of this machine, by number."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.add(str((process / "ns/net").readlink()))
        except OSError:
            continue
    return found


def _our_processes() -> set[str]:
    """Return the processes that mention a lab of ours, or an image being built."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        try:
            words = (process / "cmdline").read_text(encoding="utf-8", errors="replace")
            if not words:  # it has ended, and waits for its parent to notice
                continue
            text = words.replace("\0", " ") + (process / "cgroup").read_text(encoding="utf-8")
        except OSError:
            continue
        if "lab" in text and (_is_ours(text) or BUILD in text):
            found.add(f"{process.name} {text}")
    return found


def _is_ours(text: str) -> bool:
    return any(name in text for name in OURS)


def _belongs(thing: str, labs: set[str]) -> bool:
    """Tell whether a thing is of one of these labs, or shared by all of them."""
    shared = bool(labs) and thing == "/run/netns"
    return shared or any(
        mark in f"{thing}/" for lab in labs for mark in (f"/{lab}/", f"lab-{lab}", f"lab_{lab}")
    )


def _output(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
