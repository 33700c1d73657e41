"""The page of the documentation that shows how the faults came out."""

import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

from faults.customers import CLIENTS, RATE
from faults.results import Row, markdown_table, rows

TEMPLATE = Path(__file__).with_name("page.md")
WIDTH = 118


def page(runs: Sequence[Row], order: Sequence[str]) -> str:
    """Return the page; `order` lists all faults there are."""
    return TEMPLATE.read_text(encoding="utf-8").format(
        rate=RATE,
        clients=CLIENTS,
        table=markdown_table(rows(runs, order)),
        made=_made(runs),
        descriptions=_descriptions(runs, order),
    )


def _made(runs: Sequence[Row]) -> str:
    days = sorted({time.strftime("%Y-%m-%d", time.gmtime(run["began"])) for run in runs})
    date = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    lines = ["| made on | |", "|---|---|", f"| date | {date} |"]
    for name in runs[0]["platform"]:
        found = dict.fromkeys(run["platform"][name] for run in runs)
        lines.append(f"| {name} | {'; '.join(found)} |")
    return "\n".join(lines)


def _descriptions(runs: Sequence[Row], order: Sequence[str]) -> str:
    latest = {run["fault"]: run for run in sorted(runs, key=lambda run: run["began"])}
    names = [name for name in order if name in latest]
    names += sorted(latest.keys() - set(names))
    return "\n".join(_description(latest[name]) for name in names)


def _description(run: Row) -> str:
    said = " ".join(run["description"].split())
    seen = "; ".join(dict.fromkeys(run["seen"]))
    text = f"- **{run['title']}** (`{run['fault']}`): {said} Seen, for example: {seen}."
    return textwrap.fill(text, width=WIDTH, subsequent_indent="  ")
