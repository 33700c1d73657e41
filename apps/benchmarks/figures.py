"""From samples to figures: medians over rounds, and ratios within them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.campaign import Samples
from benchmarks.cases import Case, Target, baseline_of

__all__ = ["Figure", "Verdict", "figures", "judge", "write"]


@dataclass(frozen=True)
class Figure:
    """A figure: the median of its rounds, and of its ratio to bare pika in the same round."""

    value: float
    unit: str
    rounds: Sequence[float]
    ratio_to_bare: float | None


@dataclass(frozen=True)
class Verdict:
    """What became of a target."""

    target: Target
    value: float

    @property
    def reached(self) -> bool:
        """Whether the bound is kept."""
        if self.target.at_most:
            return self.value <= self.target.bound
        return self.value >= self.target.bound


def figures(cases: Sequence[Case], samples: Samples) -> dict[str, Figure]:
    """Return all figures by name."""
    units = {name: unit for case in cases for name, unit in case.figures.values()}
    found = {}
    for name, unit in units.items():
        if not (rounds := samples.get(name)):
            continue
        baseline = baseline_of(name)
        ratio = _ratio(samples, name, [baseline], max) if baseline in samples else None
        found[name] = Figure(median(rounds.values()), unit, list(rounds.values()), ratio)
    return found


def judge(targets: Sequence[Target], samples: Samples) -> list[Verdict]:
    """Return the verdicts on the targets whose figures were measured."""
    verdicts = []
    for target in targets:
        if not all(samples.get(name) for name in (target.figure, *target.against)):
            continue
        if target.against:
            value = _ratio(samples, target.figure, target.against, max)
        else:
            value = median(samples[target.figure].values())
        verdicts.append(Verdict(target, value))
    return verdicts


def _ratio(
    samples: Samples, name: str, others: Sequence[str], best: Callable[[Sequence[float]], float]
) -> float:
    """Return the median of the ratios within each round: the machine's mood cancels out."""
    return median(
        value / best([samples[other][number] for other in others])
        for number, value in samples[name].items()
        if all(number in samples[other] for other in others)
    )


def write(
    path: Path, found: Mapping[str, Figure], verdicts: Sequence[Verdict], about: Mapping[str, Any]
) -> None:
    """Write everything as JSON."""
    document = {
        **about,
        "figures": {
            name: {
                "value": round(figure.value, 2),
                "unit": figure.unit,
                "rounds": [round(value, 2) for value in figure.rounds],
                "ratio_to_bare_pika": None
                if figure.ratio_to_bare is None
                else round(figure.ratio_to_bare, 3),
            }
            for name, figure in found.items()
        },
        "targets": [
            {
                "target": verdict.target.text,
                "value": round(verdict.value, 2),
                "at_most" if verdict.target.at_most else "at_least": verdict.target.bound,
                "reached": verdict.reached,
            }
            for verdict in verdicts
        ],
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
