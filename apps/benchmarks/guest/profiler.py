"""Samples where processes spend their time, with py-spy."""

import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.guest.clients import PEERS

__all__ = ["Profiler"]

SAMPLES_PER_SECOND = 250
# longer than any run: the profiler is interrupted at the end of the run
SECONDS = 600


class Profiler:
    """Samples from `start` to the end of its context; `stacks` then has "frame;frame count" lines.

    Without `wanted`, nothing happens.
    """

    def __init__(self, *, wanted: bool) -> None:
        self.stacks: list[str] = []
        self._wanted = wanted
        self._folder = tempfile.TemporaryDirectory()
        self._running: list[tuple[subprocess.Popen[bytes], Path]] = []

    def __enter__(self) -> Self:
        return self

    def start(self, pids: Sequence[int]) -> None:
        """Begin to sample processes, and the children that they have."""
        for pid in pids if self._wanted else ():
            file = Path(self._folder.name, str(pid))
            command = [str(PEERS / "bin/py-spy"), "record", "--nonblocking", "--subprocesses"]
            command += ["--threads", "--format", "raw", "--rate", str(SAMPLES_PER_SECOND)]
            command += ["--duration", str(SECONDS), "--pid", str(pid), "--output", str(file)]
            profiler = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            self._running.append((profiler, file))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for profiler, file in self._running:
            profiler.send_signal(signal.SIGINT)
            output = profiler.communicate()[1]
            if file.exists():
                self.stacks += file.read_text().splitlines()
            elif error is None:
                raise RuntimeError(f"py-spy: {output.decode(errors='replace')[-500:]}")
        self._folder.cleanup()
