"""The figures as one picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

from benchmarks.cases import CURVE
from benchmarks.figures import Figure
from benchmarks.report import LABELS
from benchmarks.stage import QUEUE_TYPES

__all__ = ["draw"]

OURS = ("#1f6f54", "#5bb792")
OTHERS = ("#8a8f98", "#c3c7cd")
TITLES = {
    "consume": "Consume, no-op handler (messages/s)",
    "durable": "Inbox and order committed (messages/s)",
    "publish": "Publish, confirmed (messages/s)",
}
BARS = {
    "Order processor, journald (orders/s)": {
        "orders.journald": "journald: a bare loop",
        "orders.order_processor": "order processor",
    },
    "One process and two, ours (messages/s)": {
        "consume.quorum.ours": "nothing: one",
        "processes.nothing.two": "nothing: two",
        "durable.quorum.ours": "store: one",
        "processes.store.two": "store: two",
        "processes.compute.one": "compute 1 ms: one",
        "processes.compute.two": "compute 1 ms: two",
    },
}


def draw(figures: Mapping[str, Figure], path: Path) -> None:
    """Draw what is there of the figures into a PNG file."""
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        canvas = Canvas(figsize=(13, 9.5), layout="constrained")
        axes = canvas.subplots(3, 2).flatten()
        for place, (group, title) in zip(axes, TITLES.items(), strict=False):
            _clients(place, group, title, figures)
        for place, (title, bars) in zip(axes[3:], BARS.items(), strict=False):
            there = {name: label for name, label in bars.items() if name in figures}
            _bars(place, title, [(label, figures[name].value) for name, label in there.items()])
        _curve(axes[5], figures)
        canvas.savefig(path, dpi=110)


def _clients(axes: Any, group: str, title: str, figures: Mapping[str, Figure]) -> None:  # noqa: ANN401
    """Draw the clients of a group, slowest first, one bar per type of queue."""
    names = [name.split(".")[2] for name in figures if name.startswith(f"{group}.quorum.")]
    names.sort(key=lambda name: figures[f"{group}.quorum.{name}"].value)
    height = 0.8 / len(QUEUE_TYPES)
    for number, kind in enumerate(QUEUE_TYPES):
        values = [figures[f"{group}.{kind}.{name}"].value for name in names]
        colors = [(OURS if name in ("ours", "outbox") else OTHERS)[number] for name in names]
        places = [place - number * height for place in range(len(names))]
        bars = axes.barh(places, values, height, color=colors)
        axes.bar_label(bars, [f"{value:,.0f}  {kind}" for value in values], padding=3, fontsize=7)
    labels = [LABELS[name].replace("*", "") for name in names]
    axes.set_yticks([place - height / 2 for place in range(len(names))], labels)
    axes.set_title(title, loc="left", fontweight="bold")
    axes.margins(x=0.18)
    axes.set_xticks([])


def _bars(axes: Any, title: str, values: list[tuple[str, float]]) -> None:  # noqa: ANN401
    labels = [label for label, _ in reversed(values)]
    bars = axes.barh(labels, [value for _, value in reversed(values)], color=OURS[0])
    axes.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=7)
    axes.set_title(title, loc="left", fontweight="bold")
    axes.margins(x=0.18)
    axes.set_xticks([])


def _curve(axes: Any, figures: Mapping[str, Figure]) -> None:  # noqa: ANN401 - pyplot's
    """Draw the latency over the rate, up to the knee."""
    for cut, color in (("p50", OURS[0]), ("p99", OTHERS[0])):
        points = [
            (rate, figures[name].value)
            for rate in CURVE
            if (name := f"latency.{rate}.post_to_processed.{cut}") in figures
        ]
        axes.plot(*zip(*points, strict=True), marker="o", color=color, label=cut)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(CURVE, [str(rate) for rate in CURVE])
    axes.minorticks_off()
    axes.set_xlabel("orders per second, open loop")
    axes.set_title("POST /payments to processed (ms)", loc="left", fontweight="bold")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(frameon=False)
