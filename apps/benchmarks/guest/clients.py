"""How each client is started: its command, and what it needs in its environment."""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.job import PREFETCH, Job

__all__ = ["OURS", "ROOT", "SOURCE", "Command", "consumers", "publisher"]

# where the controller puts the benchmarks on the host
ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "peers"
# the controller's working tree, if it is to be measured in place of the release
SOURCE = ROOT / "src"
RELEASE = Path("/opt/skillupworks/current")

OURS = "ours"


@dataclass(frozen=True)
class Command:
    """A process to start."""

    arguments: list[str]
    environment: dict[str, str] = field(default_factory=dict)


def consumers(job: Job) -> list[Command]:
    """Return the processes of a consuming client."""
    module, _, variant = job.client.partition("_")
    if module == OURS:
        return [_ours("consume")] * job.processes
    if module == "bare":
        return [_peer("benchmarks.guest.peers.bare", variant)] * job.processes
    if module == "celery":
        worker = ["--app", "benchmarks.guest.peers.celery_app", "worker", "--pool", variant]
        worker += ["--concurrency", str(job.processes), "--loglevel", "WARNING"]
        return [_peer("celery", *worker, "--without-gossip", "--without-mingle")]
    if module == "dramatiq":
        worker = ["benchmarks.guest.peers.dramatiq_app", "--processes", str(job.processes)]
        command = _peer("dramatiq", *worker)
        command.environment["dramatiq_queue_prefetch"] = str(PREFETCH)
        return [command]
    return [_peer("benchmarks.guest.peers.faststream_app")] * job.processes


def publisher(job: Job, run: int) -> Command:
    """Return the process of a publishing client."""
    if job.client == OURS:
        return _ours("relay")
    return _peer("benchmarks.guest.peers.publish", str(run))


def _ours(module: str) -> Command:
    """Return one of our own programs, run by the deployed release."""
    path = os.pathsep.join(str(folder) for folder in (ROOT, SOURCE) if folder.is_dir())
    python = str(RELEASE / "bin/python")
    return Command([python, "-m", f"benchmarks.guest.ours.{module}"], {"PYTHONPATH": path})


def _peer(module: str, *arguments: str) -> Command:
    path = os.pathsep.join((str(ROOT), str(PEERS)))
    return Command([sys.executable, "-m", module, *arguments], {"PYTHONPATH": path})
