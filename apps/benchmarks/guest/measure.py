"""Starts a client's processes and watches them until all messages are handled."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.guest import meter
from benchmarks.guest.clients import Command
from benchmarks.guest.profiler import Profiler
from benchmarks.guest.reporting import say
from benchmarks.job import Job

__all__ = ["meters", "run_client"]

POLL_SECONDS = 0.05
# no client that was ever measured handles fewer in a second
SLOWEST_RATE = 20
START_SECONDS = 30.0
STOP_SECONDS = 15.0


@contextmanager
def meters() -> Iterator[Path]:
    """Make a folder for meters, in memory: counting must not wait for a disk."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-", dir="/dev/shm"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def run_client(job: Job, commands: Sequence[Command]) -> dict[str, Any]:
    """Run the processes until they have counted the job's messages, then stop them.

    Raises RuntimeError, with the last lines they wrote, when one ends early or all are too slow.
    """
    with tempfile.TemporaryFile() as log:
        processes = [
            subprocess.Popen(
                command.arguments,
                env=os.environ | command.environment | job.to_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            for command in commands
        ]
        try:
            with Profiler(wanted=job.profile) as profiler:
                reading = _watch(job, processes, profiler)
        except RuntimeError as error:
            log.seek(0)
            words = log.read()[-2000:].decode(errors="replace")
            raise RuntimeError(f"{error}\n{words}") from None
        finally:
            _stop(processes)
    result = {"rate": reading.rate, "seconds": reading.seconds, "messages": reading.messages}
    return result | {"profile": profiler.stacks}


def _watch(
    job: Job, processes: Sequence[subprocess.Popen[bytes]], profiler: Profiler
) -> meter.Reading:
    limit = time.monotonic() + START_SECONDS + job.messages / SLOWEST_RATE
    folder = Path(job.meters)
    begun = False
    while (reading := meter.read(folder)).messages < job.messages:
        if not begun and reading.messages:
            begun = True
            say("began")
            profiler.start([process.pid for process in processes])
        for process in processes:
            if process.poll() is not None:
                raise RuntimeError(f"{job.client} ended with status {process.returncode}")
        if time.monotonic() > limit:
            raise RuntimeError(f"{job.client} handled {reading.messages} of {job.messages}")
        time.sleep(POLL_SECONDS)
    say("ended")
    return meter.read(folder)


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
