"""The command line: make bench, or make bench ARGS='--only consume.quorum --rounds 3'."""

import argparse
import fcntl
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import figures, plot, report
from benchmarks.campaign import Campaign
from benchmarks.cases import CASES, TARGETS, Case
from benchmarks.hotspots import summary
from benchmarks.machine import describe
from benchmarks.remote import BenchmarkError, Hosts
from benchmarks.stage import Stage, prepared

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "latest.json"
DOCS = HERE.parents[1] / "docs"
SMOKE_SECONDS = 0.2


def main() -> int:
    """Measure; 1 and one line when something fails, or when a figure is missing."""
    options = _parse()
    only = options.only or (report.PROFILED if options.profile else ())
    cases = [case for case in CASES if _wanted(case, only)]
    try:
        with (HERE / ".venv/.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with prepared(Hosts(options.inventory), source=options.source) as stage:
                return _run(options, stage, cases)
    except BlockingIOError:
        return _fail("another run is at work")
    except BenchmarkError as error:
        return _fail(str(error))


def _run(options: argparse.Namespace, stage: Stage, cases: Sequence[Case]) -> int:
    about = describe(stage.hosts)
    for subject, text in about.items():
        print(f"{subject + ':':<10} {text}")
    print()
    campaign = Campaign(
        stage,
        cases,
        rounds=1 if options.smoke else options.rounds,
        seconds=SMOKE_SECONDS if options.smoke else options.seconds,
        short=options.smoke,
        profile=options.profile,
    )
    campaign.run()
    found = figures.figures(cases, campaign.samples)
    verdicts = figures.judge(TARGETS, campaign.samples)
    print()
    print(report.terminal(found, verdicts))
    for name, stacks in campaign.profiles.items():
        print(f"\n{name}: where the time goes\n{summary(stacks)}")
    if options.smoke:
        missing = [
            name
            for case in cases
            for name, _unit in case.figures.values()
            if name not in found or found[name].value <= 0
        ]
        return _fail(f"no figure for {', '.join(missing)}") if missing else 0
    if campaign.failures:
        return _fail(f"{len(campaign.failures)} runs failed; nothing is written")
    if options.profile and not options.only:
        tables = report.profiles_table(campaign.profiles)
        report.update(DOCS / "benchmarks.md", tables, begin=report.BEGIN_PROFILES)
    elif not options.only:
        about |= {"method": f"medians of {options.rounds} rounds, {options.seconds:g} s each"}
        costs = campaign.costs
        figures.write(RESULTS, found, verdicts, about | {"cpu_us_per_message": costs})
        plot.draw(found, DOCS / "benchmarks.png")
        report.update(DOCS / "benchmarks.md", report.markdown(found, verdicts, about, costs))
    return 0


def _wanted(case: Case, only: Sequence[str]) -> bool:
    names = [name for name, _unit in case.figures.values()]
    return not only or any(name.startswith(prefix) for name in names for prefix in only)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--inventory", default="inventory/lab")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="that each run should last")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="PREFIX", help="measure these; nothing is written"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="see that every figure can be measured"
    )
    parser.add_argument(
        "--source", action="store_true", help="measure the working tree, not the deployed release"
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="say where the clients' time goes; without --only: of what the page explains",
    )
    return parser.parse_args()


def _fail(words: str) -> int:
    print(f"benchmarks: {words}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
