"""``python -m benchmarks.trend``: how often the regression gate cries wolf, and what it finds.

Series of runs are drawn, and given to the operator's rule (``perfrun.logic.trend.detect``).
Each run has three metrics (p50, p95, p99), whose logarithms stray together and apart.
"""

import argparse
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from perfrun.logic.trend.detect import TrendRules, advance
from perfrun.measure.trend import History, Point, Stage

METRICS = ("latency.p50", "latency.p95", "latency.p99")
USUAL_NS = (20e6, 50e6, 90e6)
COMMON = 0.7
"""Part of the variance that the three metrics share."""
QUIET = 60
"""Runs in which nothing changes, after the baseline: two months of a nightly test."""
AFTER = 20
"""Runs after a change in which it has to be found."""
FIXED = 1.10
"""What the gate is compared with: an alarm at 10% above the baseline's median."""
RULES = TrendRules()


class Noise(NamedTuple):
    """How runs stray."""

    sd: float
    memory: float
    """Correlation of one run with the next: 0 is independent."""

    def __str__(self) -> str:
        kind = f"AR({self.memory:g})" if self.memory else "independent"
        return f"{self.sd:.0%}, {kind}"


class Outcome(NamedTuple):
    """What one rule made of one series."""

    runs: int
    """That were judged."""
    alarms: int
    delay: int | None
    """Runs from the change to the first alarm."""


def draw(noise: Noise, runs: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Log deviations, one row a run, one column a metric; each has ``noise.sd``."""
    parts = [_series(noise.memory, runs, rng) for _ in range(1 + len(METRICS))]
    columns = [COMMON**0.5 * parts[0] + (1 - COMMON) ** 0.5 * own for own in parts[1:]]
    return noise.sd * np.column_stack(columns)


def _series(memory: float, runs: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    steps = rng.standard_normal(runs) * (1 - memory**2) ** 0.5
    values = np.empty(runs)
    values[0] = rng.standard_normal()
    for index in range(1, runs):
        values[index] = memory * values[index - 1] + steps[index]
    return values


def by_gate(values: npt.NDArray[np.float64], baseline: int) -> Outcome:
    """The operator's rule. An alarm is a passage to Regressed; the level is then accepted."""
    history = History(key="k")
    alarms, first = 0, None
    for index, row in enumerate(values):
        point = Point(
            run=str(index),
            completed=f"{index:06}",
            values={
                m: u * float(np.exp(y)) for m, u, y in zip(METRICS, USUAL_NS, row, strict=True)
            },
        )
        before = history.stage
        history = advance(history, point, RULES)
        if history.stage is Stage.REGRESSED and before is not Stage.REGRESSED:
            if index >= baseline:
                alarms += 1
                first = index if first is None else first
            # Someone looks at it and finds nothing: all runs are of one level.
            history = history.model_copy(
                update={
                    "stage": Stage.SETTLED,
                    "baseline": [*history.baseline, *history.fresh][-60:],
                    "fresh": [],
                    "shifts": [],
                }
            )
    delay = None if first is None else first - baseline + 1
    return Outcome(len(values) - baseline, alarms, delay)


def by_fixed(values: npt.NDArray[np.float64], baseline: int) -> Outcome:
    """A threshold: any metric 10% above the median of the last ``baseline`` runs."""
    alarms, first = 0, None
    for index in range(baseline, len(values)):
        usual = np.median(values[index - baseline : index], axis=0)
        if np.any(values[index] - usual > np.log(FIXED)):
            alarms += 1
            first = index if first is None else first
    delay = None if first is None else first - baseline + 1
    return Outcome(len(values) - baseline, alarms, delay)


def false_alarms(noise: Noise, baseline: int, series: int, rng: np.random.Generator) -> str:
    """A row: how often nothing is said to be something."""
    drawn = [draw(noise, baseline + QUIET, rng) for _ in range(series)]
    gate = [by_gate(values, baseline) for values in drawn]
    fixed = [by_fixed(values, baseline) for values in drawn]
    return f"| {noise} | {baseline} | {_alarms(gate)} | {_alarms(fixed)} |"


def _alarms(outcomes: Sequence[Outcome]) -> str:
    runs = sum(one.runs for one in outcomes)
    alarms = sum(one.alarms for one in outcomes)
    hit = sum(one.alarms > 0 for one in outcomes)
    return f"{alarms / runs:.3%} | {hit / len(outcomes):.1%}"


def power(noise: Noise, baseline: int, change: float, series: int, rng: np.random.Generator) -> str:
    """A row: how often a change is found, and after how many runs."""
    drawn = [draw(noise, baseline + AFTER, rng) for _ in range(series)]
    for values in drawn:
        values[baseline:] += np.log1p(change)
    cells = []
    for rule in (by_gate, by_fixed):
        found = [d for values in drawn if (d := rule(values, baseline).delay)]
        median = f"{statistics.median(found):.0f}" if found else "-"
        cells.append(f"{len(found) / series:.0%} | {median}")
    return f"| {noise} | {baseline} | +{change:.0%} | {' | '.join(cells)} |"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=1000, help="drawn for each row")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    noises = [Noise(sd, memory) for sd in (0.03, 0.10) for memory in (0.0, 0.5)]
    print(f"{options.series} series a row, seed {options.seed}; {QUIET} runs without a change:\n")
    print("| noise | baseline | false alarms a run | series with one | fixed 10%: a run | series |")
    print("| :-- | --: | --: | --: | --: | --: |")
    for noise in noises:
        for n in (10, 20, 30):
            print(false_alarms(noise, n, options.series, rng), flush=True)
    print(f"\nA change, and {AFTER} runs with it (median: runs to the alarm):\n")
    print("| noise | baseline | change | found | median | fixed 10%: found | median |")
    print("| :-- | --: | --: | --: | --: | --: | --: |")
    for noise in noises:
        for n in (10, 20, 30):
            for shift in (0.07, 0.10, 0.20, 0.50):
                print(power(noise, n, shift, options.series, rng), flush=True)


if __name__ == "__main__":
    main()
