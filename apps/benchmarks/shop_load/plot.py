"""The steps as one picture."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

from benchmarks.shop_load.steps import Step

__all__ = ["draw"]

COLORS = {
    "catalogue": "#1f6f54",
    "cart": "#c77d2e",
    "payment": "#3b5ba5",
    "shipping": "#8a8f98",
    "user": "#a33f6b",
}
OTHER = "#444444"


def draw(steps: Sequence[Step], path: Path) -> None:
    """Draw rate, p50 and p99 of each service over the visits a second into a PNG file."""
    names = sorted({name for step in steps for name in step.services})
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        canvas = Canvas(figsize=(13, 4.2), layout="constrained")
        panels = canvas.subplots(1, 3)
        titles = ("Requests a second", "p50 (ms)", "p99 (ms)")
        for axes, title, figure in zip(panels, titles, ("rate", "p50", "p99"), strict=True):
            for name in names:
                there = [step for step in steps if name in step.services]
                axes.plot(
                    [step.rate for step in there],
                    [getattr(step.services[name], figure) for step in there],
                    marker="o",
                    markersize=3,
                    color=COLORS.get(name, OTHER),
                    label=name,
                )
            past = next((step.rate for step in steps if step.past_knee), None)
            if past is not None:
                axes.axvline(past, color="#b03030", linestyle=":", linewidth=1)
            if figure != "rate":
                axes.set_yscale("log")
            axes.set_title(title, loc="left", fontweight="bold")
            axes.set_xlabel("visits a second, open loop; dotted: past the knee")
            axes.grid(visible=True, alpha=0.3)
        panels[0].legend(frameon=False)
        canvas.savefig(path, dpi=110)
