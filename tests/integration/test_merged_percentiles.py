"""Percentiles of two workers' merged reports are those of all their raw samples together."""

import asyncio
import random
from time import monotonic_ns
from typing import Any

import numpy as np
import pytest

from perfrun.api.quantities import parse_duration
from perfrun.api.run.perfrun import WorkerCounts
from perfrun.api.test.metric import QUANTILES
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.engine.run import Engine
from perfrun.logic.plan.run_plan import make_plan
from perfrun.logic.verdict.judge import judge
from perfrun.logic.verdict.outcome import RunOutcome
from perfrun.measure.histogram import Histogram
from perfrun.measure.record import Outcome, Timing, total
from perfrun.measure.report import WorkerReport, merge
from perfrun.reach.values import Values
from tests.unit.engine.server import answer, running

# Three significant digits (a bucket is at most 0.1% wide), and no finer than a microsecond.
PRECISION, MICROSECOND = 1e-3, 1000

Raw = dict[int, tuple[Histogram, list[int]]]


def uneven(seen: Any, writer: asyncio.StreamWriter) -> Any:
    """Answers late by an amount that is different each time, in two heaps and a tail."""
    delay = random.choice([0.001, 0.002, 0.02]) * random.lognormvariate(0, 0.5)

    async def later() -> None:
        await asyncio.sleep(delay)
        await answer()(seen, writer)

    return later()


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch) -> Raw:
    """All values that each histogram of this process is given."""
    kept: Raw = {}
    fold = Histogram.fold

    def keep(self: Histogram, values: Any) -> None:
        # Held, so that its identity is not given to another one.
        _, its = kept.setdefault(id(self), (self, []))
        its.extend(int(value) for value in values)
        fold(self, values)

    monkeypatch.setattr(Histogram, "fold", keep)
    return kept


def samples_of(histogram: Histogram, kept: list[list[int]]) -> list[int]:
    """The raw samples of a report's histogram: the only ones with its exact sum and extremes."""
    (found,) = {
        tuple(values)
        for values in kept
        if (len(values), sum(values), min(values), max(values))
        == (histogram.count, histogram.total, histogram.least, histogram.greatest)
    }
    return list(found)


async def test_merged_percentiles_are_those_of_the_merged_raw_samples(
    raw: Raw,
) -> None:
    load = {"workers": 2, "burst": {"requests": 1200, "concurrency": 16}}
    async with running(uneven=uneven) as server:
        target = {"http": {"url": f"{server.url}/uneven"}}
        spec = PerfTestSpec.parse({"target": target, "load": load})
        plan = make_plan(spec, uid="u", namespace="n", test="t", run="r")
        start = monotonic_ns() + 200_000_000
        reports = await asyncio.gather(
            *(Engine(plan, index, Values()).run(start) for index in range(2))
        )

    samples = []
    for report in reports:
        histogram = report.window.steps[0].histogram(Timing.LATENCY, Outcome.SUCCESS)
        assert histogram.count > 400
        samples += samples_of(histogram, [values for _, values in raw.values() if values])
    truth = np.sort(samples)
    assert len(truth) == 1200

    # As the coordinator has them: over the wire.
    merged = merge([WorkerReport.unpack(report.pack()) for report in reports])
    whole = total(merged.window.steps).histogram(Timing.LATENCY, Outcome.SUCCESS)
    assert whole.count == len(truth)
    assert whole.mean == pytest.approx(truth.mean())
    assert (whole.least, whole.greatest) == (truth[0], truth[-1])
    workers = WorkerCounts(planned=2, ready=2, reported=2)
    shown = judge(spec, RunOutcome(plan, merged, workers)).summary
    assert shown is not None
    assert shown.latency is not None
    for name, quantile in QUANTILES.items():
        exact = truth[int(np.ceil(quantile * len(truth))) - 1]
        assert whole.quantile(quantile) == pytest.approx(exact, rel=PRECISION, abs=MICROSECOND)
        text = getattr(shown.latency, name)
        if text is not None:  # shown with three digits
            assert parse_duration(text) == pytest.approx(exact, rel=6 * PRECISION, abs=MICROSECOND)
