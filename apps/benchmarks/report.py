"""The figures as tables, for the terminal and for the documentation."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.campaign import Costs
from benchmarks.cases import CURVE
from benchmarks.figures import Figure, Verdict
from benchmarks.hotspots import AREAS, REST, shares
from benchmarks.stage import QUEUE_TYPES

__all__ = [
    "BEGIN",
    "BEGIN_PROFILES",
    "END",
    "PROFILED",
    "markdown",
    "profiles_table",
    "terminal",
    "update",
]

BEGIN = "<!-- written by make bench -->"
BEGIN_PROFILES = "<!-- written by make bench ARGS=--profile -->"
END = "<!-- end -->"

LABELS = {
    "bare_single": "bare pika, acknowledging one by one",
    "bare_grouped": "bare pika, acknowledging 100 at once",
    "bare_wait": "bare pika, waiting for each confirm",
    "ours": "**ours**",
    "outbox": "**ours**: from the outbox",
    "celery_solo": "Celery, pool solo",
    "celery_prefork": "Celery, pool prefork, 2 processes",
    "dramatiq": "Dramatiq",
    "faststream": "FastStream",
}
GROUPS = {
    "consume": "Consume: an order is read, and nothing is done with it; messages/s",
    "durable": "Durable effect: inbox row and order row committed, then acknowledged; messages/s",
    "publish": "Publish: persistent, mandatory, confirmed; messages/s",
}


def terminal(figures: Mapping[str, Figure], verdicts: Sequence[Verdict]) -> str:
    """Return all figures and all targets as text."""
    lines = [f"{'figure':<46} {'median':>10}   {'lowest':>9} {'highest':>9}   to bare pika"]
    for name, figure in figures.items():
        ratio = "" if figure.ratio_to_bare is None else f"{figure.ratio_to_bare:12.2f}"
        value = f"{figure.value:>10,.1f}   {min(figure.rounds):>9,.1f} {max(figure.rounds):>9,.1f}"
        lines.append(f"{name:<46} {value}   {ratio:<12} {figure.unit}")
    lines += ["", f"{'target':<62} {'to reach':>10} {'is':>8}"]
    for verdict in verdicts:
        mark = "reached" if verdict.reached else "NOT REACHED"
        lines.append(
            f"{verdict.target.text:<62} {_bound(verdict):>10} {verdict.value:>8.2f}  {mark}"
        )
    return "\n".join(lines)


# where the cores' time goes, of the cases whose bound it is
COSTS = (
    "consume.quorum.bare_single",
    "consume.quorum.bare_grouped",
    "consume.quorum.ours",
    "processes.nothing.two",
    "durable.quorum.ours",
    "publish.quorum.outbox",
    "orders.order_processor",
    "orders.journald",
)
PARTS = ("broker", "database", "journal")

# whose profile says why a figure is as it is: those below their targets, and the floor's
PROFILED = (
    "consume.quorum.bare_grouped",
    "consume.quorum.ours",
    "durable.quorum.ours",
    "publish.classic.outbox",
    "orders.order_processor",
)


def markdown(
    figures: Mapping[str, Figure],
    verdicts: Sequence[Verdict],
    about: Mapping[str, str],
    costs: Costs,
) -> str:
    """Return the tables for the documentation."""
    parts = ["| | |\n|---|---|"]
    parts += [f"| {subject} | {text} |" for subject, text in about.items()]
    for group, title in GROUPS.items():
        parts += ["", f"**{title}**", "", "| | classic queue | to bare | quorum queue | to bare |"]
        parts.append("|---|---:|---:|---:|---:|")
        clients = [name.split(".")[2] for name in figures if name.startswith(f"{group}.quorum.")]
        for client in clients:
            names = [f"{group}.{kind}.{client}" for kind in QUEUE_TYPES]
            cells = [_cells(figures.get(name)) for name in names]
            parts.append(f"| {LABELS[client]} | {' | '.join(cells)} |")
    parts += ["", "**Latency**, ms, from the planned time of `POST /payments` to processed", ""]
    parts += ["| orders/s | p50 | p99 |", "|---:|---:|---:|"]
    for rate in CURVE:
        names = [f"latency.{rate}.post_to_processed.{cut}" for cut in ("p50", "p99")]
        if cuts := [figures[name].value for name in names if name in figures]:
            parts.append(f"| {rate} | {cuts[0]:,.1f} | {cuts[1]:,.1f} |")
    parts += ["", "**Everything else**", "", "| figure | value |", "|---|---:|"]
    shown = ("consume", "durable", "publish", "latency")
    for name, figure in figures.items():
        if name.split(".")[0] not in shown or "accepted_to_processed" in name:
            parts.append(f"| `{name}` | {figure.value:,.1f} {figure.unit} |")
    parts += _costs_table({name: costs[name] for name in COSTS if name in costs})
    parts += ["", "**What was to be reached**", "", "| | to reach | is | |", "|---|---:|---:|---|"]
    for verdict in verdicts:
        mark = "yes" if verdict.reached else "**no**"
        is_ = f"{_bound(verdict)} | {verdict.value:.2f}"
        parts.append(f"| {verdict.target.text} | {is_} | {mark} |")
    return "\n".join(parts)


def profiles_table(profiles: Mapping[str, Sequence[str]]) -> str:
    """Return where the clients' time goes: an area of the code a line, a case a column."""
    found = {name: shares(profiles[name]) for name in PROFILED if name in profiles}
    lines = [f"| | {' | '.join(f'`{name}`' for name in found)} |", "|---|" + "---:|" * len(found)]
    for area in (*AREAS, REST):
        cells = [f"{share:.0%}" if (share := each.get(area)) else "" for each in found.values()]
        lines.append(f"| {area} | {' | '.join(cells)} |")
    return "\n".join(lines)


def update(document: Path, tables: str, *, begin: str = BEGIN) -> None:
    """Replace what the last run wrote into a document, after the mark `begin`.

    ValueError if the document has no such mark.
    """
    before, mark, rest = document.read_text().partition(begin)
    if not mark:
        raise ValueError(f"{document} has no {begin}")
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{begin}\n\n{tables}\n\n{END}{after}")


def _costs_table(costs: Costs) -> list[str]:
    title = "**Processor time**, microseconds a message; all of it is taken from the same two cores"
    lines = ["", title, "", "| | client | broker | database | journal | all |"]
    lines.append("|---|---:|---:|---:|---:|---:|")
    for name, used in costs.items():
        shares = [used.get(part, 0.0) for part in PARTS]
        # the client is whoever is neither: a bare loop, or the order processor's unit
        client = sum(used.values()) - sum(shares)
        cells = [f"{share:.0f}" for share in (client, *shares, sum(used.values()))]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return lines


def _cells(figure: Figure | None) -> str:
    if figure is None:
        return " | "
    return f"{figure.value:,.0f} | {figure.ratio_to_bare or 0:.2f}"


def _bound(verdict: Verdict) -> str:
    return f"{'≤' if verdict.target.at_most else '≥'} {verdict.target.bound:g}"
