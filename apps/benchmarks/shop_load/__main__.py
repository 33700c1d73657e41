"""The command line: make shop-load, or make shop-load ARGS='--soak 30 --rate 40'."""

# first: Locust makes what waits for the network give way to the other visits
from locust.contrib.fasthttp import FastHttpSession
from locust.event import EventHook
from locust.stats import RequestStats

# isort: split
import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from time import strftime
from typing import Any

import gevent

from benchmarks.shop_load import plot
from benchmarks.shop_load.arrivals import MOST_AT_ONCE, arrive
from benchmarks.shop_load.lab import Lab
from benchmarks.shop_load.memory import Samples, sample
from benchmarks.shop_load.mix import PATIENCE_SECONDS, ShopError, Shoppers
from benchmarks.shop_load.soak import account, outcome
from benchmarks.shop_load.steps import Step, step_of

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
PICTURE = HERE.parents[2] / "docs" / "shop_load.png"
RATES = (20, 50, 100, 200, 300, 400, 500, 600, 800, 1000)
PAUSE_SECONDS = 3.0


class Load:
    """One run: people who come to a shop, and what Locust counts of it."""

    def __init__(self, url: str, seed: int) -> None:
        self._stats = RequestStats()
        answered = EventHook()
        answered.add_listener(self._count)
        client = FastHttpSession(
            url,
            answered,
            user=None,
            concurrency=MOST_AT_ONCE,
            connection_timeout=PATIENCE_SECONDS,
            network_timeout=PATIENCE_SECONDS,
            # that is, once: what has failed has failed
            max_retries=1,
        )
        self._random = Random(seed)  # noqa: S311 - so that a run can be repeated
        self.shoppers = Shoppers(client, self._random)

    def step(self, rate: float, seconds: float) -> Step:
        """Let people come at a rate; return the figures of that time alone."""
        self._stats.reset_all()
        arrived = arrive(self.shoppers.visit, rate, seconds, self._random)
        return step_of(rate, arrived, self._stats)

    def _count(
        self,
        request_type: str,
        name: str,
        response_time: float,
        response_length: int,
        exception: Exception | None,
        **_: object,
    ) -> None:
        self._stats.log_request(request_type, name, response_time, response_length)
        if exception:
            self._stats.log_error(request_type, name, exception)


def main() -> int:
    """Run; 0 when it came to its end and, of a long run, when all is accounted for."""
    options = _parse()
    try:
        lab = None if options.url else Lab(options.inventory)
        if lab is None or options.as_it_is:
            return _run(options, lab)
        try:
            print("delivering stock, and lifting the limit of requests per address")
            lab.prepare()
            return _run(options, lab)
        finally:
            print("putting both back")
            lab.put_back()
    except ShopError as error:
        print(f"shop-load: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace, lab: Lab | None) -> int:
    load = Load(options.url or (lab.url if lab else ""), options.seed)
    load.shoppers.arrive()
    load.step(min(options.rates), options.warm)
    if options.soak:
        return _soak(options, load, lab)
    return _steps(options, load)


def _steps(options: argparse.Namespace, load: Load) -> int:
    steps: list[Step] = []
    for rate in options.rates:
        step = load.step(rate, options.seconds)
        steps.append(step)
        _print(step)
        if step.past_knee:
            print(f"past the knee at {rate:g} visits/s: {step.past_knee}")
            break
        gevent.sleep(PAUSE_SECONDS)
    states = account(load.shoppers.orders, load.shoppers.state)
    result = outcome(states, None)
    print(f"orders: {result.accepted} accepted, {result.states}")
    document = {"steps": [step.as_json() for step in steps], "orders": result.as_json()}
    _write(options.results / "steps.json", document)
    plot.draw(steps, options.picture)
    print(f"written: {options.results / 'steps.json'}, {options.picture}")
    return 1 if result.unfinished else 0


def _soak(options: argparse.Namespace, load: Load, lab: Lab | None) -> int:
    samples: Samples = []
    sampler = gevent.spawn(sample, lab.memory, samples) if lab else None
    step = load.step(options.rate, options.soak * 60)
    _print(step)
    states = account(load.shoppers.orders, load.shoppers.state)
    if sampler:
        sampler.kill()
        if sampler.exception:
            raise ShopError(f"memory could not be weighed: {sampler.exception}")
    result = outcome(states, samples if lab else None, options.soak * 60)
    _write(options.results / "soak.json", {"step": step.as_json(), "soak": result.as_json()})
    print(f"orders: {result.accepted} accepted, {result.states}")
    for name, unit in (samples[-1][1] if samples else {}).items():
        before = samples[0][1].get(name)
        print(f"  {name:<32} {before.kib if before else 0:>8} KiB → {unit.kib:>8} KiB")
    for line in (*result.unfinished, *result.grown):
        print(f"WRONG: {line}")
    print(f"written: {options.results / 'soak.json'}")
    return 1 if result.unfinished or result.grown or step.past_knee else 0


def _print(step: Step) -> None:
    print(f"\n{step.rate:g} visits/s, {step.begun} in {step.seconds:g} s")
    for name, service in step.services.items():
        print(
            f"  {name:<10} {service.rate:>7.1f}/s   p50 {service.p50:>6.0f} ms"
            f"   p99 {service.p99:>6.0f} ms   {service.failures} failed"
        )
    for error, count in step.errors.items():
        print(f"  {count} × {error}")


def _write(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"date": strftime("%Y-%m-%d")} | document
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="shop-load",
        description="Load the shop through nginx: browse 80 %, cart 15 %, buy 5 %.",
    )
    parser.add_argument("--inventory", default="inventory/lab")
    parser.add_argument("--url", default="", help="a shop elsewhere, which is not made ready")
    parser.add_argument("--as-it-is", action="store_true", help="do not make the lab ready")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES, metavar="VISITS")
    parser.add_argument("--seconds", type=float, default=30, help="of each step")
    parser.add_argument("--warm", type=float, default=10, help="seconds before the first step")
    parser.add_argument("--soak", type=float, default=0, metavar="MINUTES", help="one long step")
    parser.add_argument("--rate", type=float, default=40, help="visits a second of the long step")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER")
    parser.add_argument("--picture", type=Path, default=PICTURE, metavar="PNG")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
