"""Measures the whole order processor, the deployed unit with all of its lines in the journal."""

import json
import re
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from benchmarks.guest import broker
from benchmarks.guest.clients import ROOT
from benchmarks.guest.orders import order_id
from benchmarks.guest.prefill import SETTLE_SECONDS, plain_messages
from benchmarks.guest.profiler import Profiler
from benchmarks.guest.reporting import say
from benchmarks.guest.store import empty_all_tables
from benchmarks.guest.units import ORDER_PROCESSOR_URL, Unit, journal, running
from benchmarks.job import EXCHANGE, ROUTING_KEY, Job

__all__ = ["ENTRIES", "LINES", "QUEUE", "process_orders", "processed"]

QUEUE = "order-processing"
FIRST_LINE = "MESSAGE=📦 NEW ORDER RECEIVED"
LAST_LINE = "MESSAGE=📦 Warehouse notified (simulated)"
# the lines of an order with one item
LINES = 11
# lines about the service itself, from start to stop
OTHER_LINES = 20
# an order's entries as the order processor sent them; the bare loop sends the same
ENTRIES = ROOT / "entries.json"
POLL_SECONDS = 0.5
SLOWEST_RATE = 50
METRIC = re.compile(
    r"^skillupworks_(consumer_processed|effects_delivered)_total.* (\S+)$", re.MULTILINE
)


def process_orders(job: Job, run: int) -> dict[str, Any]:
    """Start the order processor on a filled queue and return its rate and its memory.

    The rate is from the first line of the first order to the last line of the last one. Raises
    RuntimeError when a line is missing: an order processor that drops lines would be faster.
    """
    empty_all_tables(job.database)
    with broker.connect(job) as connection:
        channel = connection.channel()
        broker.declare(channel, QUEUE, job.queue_type)
        channel.queue_purge(QUEUE)
        broker.publish(channel, plain_messages(run, job.messages), EXCHANGE, ROUTING_KEY)
    broker.wait_for_depth(job, QUEUE, job.messages)
    time.sleep(SETTLE_SECONDS)
    with running(job, "order-processor") as units:
        unit = units["order-processor"]
        unit.start()
        with Profiler(wanted=job.profile) as profiler:
            profiler.start([int(unit.property("MainPID"))])
            memory = _watch(job, unit)
        invocation = f"_SYSTEMD_INVOCATION_ID={unit.property('InvocationID')}"
        lines = journal("--output=cat", invocation).count("\n")
        if not 0 <= lines - LINES * job.messages <= OTHER_LINES:
            raise RuntimeError(f"{lines} lines in the journal about {job.messages} orders")
        first = _time_of("--lines=+1", invocation, FIRST_LINE)
        seconds = _time_of("--lines=1", invocation, LAST_LINE) - first
        ENTRIES.write_text(json.dumps(_entries_of(order_id(run, 0))))
    result = {"rate": job.messages / seconds, "seconds": seconds, "messages": job.messages}
    return result | memory | {"profile": profiler.stacks}


def processed() -> int:
    """Return how many orders the order processor has brought to their end, with all effects."""
    counts: dict[str, list[float]] = {}
    with urlopen(f"{ORDER_PROCESSOR_URL}/metrics", timeout=10) as answer:  # noqa: S310 - ours
        for name, value in METRIC.findall(answer.read().decode()):
            counts.setdefault(name, []).append(float(value))
    # two kinds of effects: an e-mail and a warehouse notice for each order
    return int(min(min(values) for values in counts.values()))


def _watch(job: Job, unit: Unit) -> dict[str, float]:
    """Wait for the last order; return the most memory the process had, in MB."""
    rollup = Path("/proc", unit.property("MainPID"), "smaps_rollup")
    limit = time.monotonic() + 30 + job.messages / SLOWEST_RATE
    most = {"rss": 0.0, "pss": 0.0}
    say("began")
    while (done := processed()) < job.messages:
        if time.monotonic() > limit:
            raise RuntimeError(f"the order processor did {done} of {job.messages}")
        for line in rollup.read_text().splitlines():
            name, _, value = line.partition(":")
            if name in ("Rss", "Pss"):
                most[name.lower()] = max(most[name.lower()], int(value.split()[0]) / 1024)
        time.sleep(POLL_SECONDS)
    say("ended")
    return most


def _time_of(*selection: str) -> float:
    entry = json.loads(journal("--output=json", *selection).splitlines()[0])
    return int(entry["_SOURCE_REALTIME_TIMESTAMP"]) / 1_000_000


def _entries_of(identifier: str) -> list[dict[str, str]]:
    """Return the fields of an order's entries that its sender gave them."""
    entries = []
    for block in journal("--output=export", f"ORDER_ID={identifier}").strip().split("\n\n"):
        fields = dict(line.split("=", 1) for line in block.splitlines())
        entries.append({name: value for name, value in fields.items() if name[0] != "_"})
    if len(entries) != LINES:
        raise RuntimeError(f"{len(entries)} entries about {identifier}, not {LINES}")
    return entries
