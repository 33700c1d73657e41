"""Runs the cases in rounds, one after the other and in another order each time."""

import json
import random
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.cases import Case
from benchmarks.cpu import Usage, difference, usage
from benchmarks.job import Job
from benchmarks.remote import BenchmarkError
from benchmarks.stage import FOLDER, Stage

__all__ = ["Campaign", "Costs", "Samples"]

# figure → its value in each round; a round that has none is left out
Samples = dict[str, dict[int, float]]
# case → part of the lab → microseconds of processor time per message
Costs = dict[str, dict[str, float]]

# so that a first guess far too low does not make a run of minutes
MOST_MESSAGES = 300_000
FEWEST_MESSAGES = 200
# of a steady load that is only to be seen to work
SHORT_SECONDS = 2
# behind by more than this the services are past the knee: higher rates are not tried
KNEE_MS = 1000.0


@dataclass
class Campaign:
    """Several rounds of cases on one stage; `seconds` is how long each run should last.

    `short` runs only show that everything can be measured.
    """

    stage: Stage
    cases: Sequence[Case]
    rounds: int
    seconds: float
    short: bool = False
    profile: bool = False
    samples: Samples = field(default_factory=lambda: defaultdict(dict))
    # stacks that were sampled, of all rounds
    profiles: dict[str, list[str]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._used: dict[str, list[dict[str, float]]] = defaultdict(list)
        self._rates = {case.name: case.expected for case in self.cases}
        self._runs = 0
        self._beyond_knee = False

    @property
    def costs(self) -> Costs:
        """Who used the cores: the medians of the rounds."""
        return {
            case: {
                part: median(used.get(part, 0.0) for used in rounds)
                for part in sorted({part for used in rounds for part in used})
            }
            for case, rounds in self._used.items()
        }

    def run(self) -> None:
        """Run all rounds; what fails is said, and the rest goes on."""
        shuffled = random.Random(self.rounds)  # noqa: S311 - an order, not a secret
        for number in range(1, self.rounds + 1):
            loads = [case for case in self.cases if case.kind == "load"]
            # what journald takes is measured with the lines of the order processor
            orders = [case for case in self.cases if case.kind in ("orders", "journal")]
            drains = [case for case in self.cases if case not in loads and case not in orders]
            shuffled.shuffle(drains)
            self._beyond_knee = False
            for case in (*drains, *orders, *loads):
                self._try(case, number)

    def _try(self, case: Case, number: int) -> None:
        """Measure a case; once more if that fails, as when a peer stops before its last answers."""
        for last in (False, True):
            try:
                self._measure(case, number)
            except BenchmarkError as error:
                _print(f"{number}/{self.rounds}  {case.name:<42} FAILED: {error}")
                if last:
                    self.failures.append(f"{case.name}: {error}")
            else:
                return

    def _measure(self, case: Case, number: int) -> None:
        if self._beyond_knee and case.kind == "load":
            return
        self._runs += 1
        job = Job(
            client=case.client,
            queue_type=case.queue_type,
            messages=self._messages(case),
            broker=self.stage.broker(case.queue_type),
            database=self.stage.database(case.service),
            effect=case.effect,
            processes=case.processes,
            rate=case.rate,
            profile=self.profile,
            session=self.stage.session,
        )
        usages: list[Usage] = []
        # the services' units and their journal are root's, and so is looking into a process
        root = self.profile or case.kind in ("orders", "journal", "load")
        result = self.stage.hosts.app.talk(
            f"{'sudo ' if root else ''}"
            f"env PYTHONPATH={FOLDER}:{FOLDER}/peers python3 -m benchmarks.guest {case.kind}",
            json.dumps({"job": job.to_json(), "run": self._runs}),
            lambda _event: usages.append(usage(self.stage.hosts.lab)),
        )
        for key, (figure, _unit) in case.figures.items():
            self.samples[figure][number] = result[key]
        used = difference(usages[0], usages[-1])
        self._used[case.name].append(
            {part: round(seconds / result["messages"] * 1e6, 1) for part, seconds in used.items()}
        )
        if stacks := result.get("profile"):
            self.profiles.setdefault(case.name, []).extend(stacks)
        if case.kind == "load":
            self._beyond_knee = result["post_to_processed.p50"] > KNEE_MS and not self.short
        else:
            self._rates[case.name] = result["rate"]
        self._say(case, number)

    def _messages(self, case: Case) -> int:
        if case.kind == "load":
            return int(case.rate * (SHORT_SECONDS if self.short else case.seconds or self.seconds))
        wanted = int(self._rates[case.name] * self.seconds)
        return min(max(wanted, FEWEST_MESSAGES), MOST_MESSAGES)

    def _say(self, case: Case, number: int) -> None:
        values = ", ".join(
            f"{self.samples[figure][number]:,.1f} {unit}" for figure, unit in case.figures.values()
        )
        cost = ", ".join(
            f"{part} {used:.0f}" for part, used in self._used[case.name][-1].items() if used >= 1
        )
        line = f"{number}/{self.rounds}  {case.name:<42} {values:<36} us each: {cost}"
        _print(line)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
