"""Runs of faults as files, as a table, and as a page of the documentation."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from faults.scene import Outcome

COLUMNS = (
    "fault", "seeds", "accepted", "lost", "doubled", "repeated", "parked", "gap s", "slowest s",
    "recovery s",
)  # fmt: skip

Row = dict[str, Any]


def save(outcome: Outcome, folder: Path, platform: dict[str, str]) -> None:
    """Write a run's file, in place of an earlier one of the same fault and seed."""
    data = outcome.as_json() | {"platform": platform}
    path = _path(folder, outcome.fault, outcome.seed)
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def forget(folder: Path, fault: str, seed: int) -> None:
    """Remove the file of a run that is about to be repeated."""
    _path(folder, fault, seed).unlink(missing_ok=True)


def load(folder: Path) -> list[Row]:
    """Return all runs that have a file, in the order of their names."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


def rows(runs: Iterable[Row], order: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the table's rows, one for each fault: sums over its seeds, and the worst times.

    `order` lists the faults; those that are not in it come last.
    """
    faults: dict[str, list[Row]] = {}
    for run in runs:
        faults.setdefault(run["fault"], []).append(run)
    places = {name: place for place, name in enumerate(order)}
    names = sorted(faults, key=lambda name: (places.get(name, len(places)), name))
    return [_row(faults[name]) for name in names]


def text_table(table: Sequence[tuple[str, ...]]) -> str:
    """Return the table for a terminal."""
    lines = [COLUMNS, *table]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def markdown_table(table: Sequence[tuple[str, ...]]) -> str:
    """Return the table for a page."""
    rule = ("---", *["---:"] * (len(COLUMNS) - 1))
    return "\n".join(f"| {' | '.join(line)} |" for line in (COLUMNS, rule, *table))


def _row(runs: list[Row]) -> tuple[str, ...]:
    def total(name: str) -> str:
        counts = (run["account"][name] for run in runs)
        return f"{sum(len(count) if isinstance(count, list) else count for count in counts):,}"

    def worst(times: Iterable[float]) -> str:
        return f"{max(times):.1f}"

    failed = " (FAILED)" if any(run["problems"] for run in runs) else ""
    return (
        runs[0]["title"] + failed,
        str(len(runs)),
        total("accepted"),
        total("lost"),
        total("doubled"),
        total("repeated"),
        total("parked"),
        worst(run["account"]["processing_gap"] for run in runs),
        worst(run["account"]["slowest"] for run in runs),
        worst(run["recovery"] for run in runs),
    )


def _path(folder: Path, fault: str, seed: int) -> Path:
    return folder / f"{fault}-{seed}.json"
