"""Specs, plans and reports for tests, as short as they can be said."""

from collections.abc import Sequence
from typing import Any

from perfrun.api.run.perfrun import WorkerCounts
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.logic.plan.run_plan import make_plan
from perfrun.logic.verdict.judge import judge
from perfrun.logic.verdict.outcome import RunOutcome, RunVerdict
from perfrun.measure.histogram import Histogram
from perfrun.measure.record import (
    GeneratorRecord,
    Outcome,
    PhaseRecord,
    ScenarioRecord,
    Series,
    StepRecord,
    Timing,
)
from perfrun.measure.report import WorkerReport

MS = 1_000_000
S = 1_000_000_000

OPEN = {"open": {"rate": "100/s", "duration": "10s"}}
CLOSED = {"closed": {"users": 10, "duration": "10s"}}
BURST = {"burst": {"requests": 1000, "concurrency": 10}}


def spec(load: dict[str, Any] = OPEN, **parts: Any) -> PerfTestSpec:
    document = {"target": {"http": {"url": "http://shop", "timeout": "5s"}}, "load": load, **parts}
    return PerfTestSpec.model_validate(document)


def step(
    latencies: Sequence[int],
    *,
    timeouts: Sequence[int] = (),
    censored: Sequence[int] = (),
    failed: int = 0,
    name: str = "get",
    scenario: str = "default",
    **counts: Any,
) -> StepRecord:
    """A step's record of latencies (ns); timeouts and censored ones by their ages."""
    errors = {"Timeout": len(timeouts), "Status5xx": failed}
    record = StepRecord(
        scenario=scenario,
        step=name,
        sent=len(latencies) + len(timeouts) + len(censored) + failed,
        succeeded=len(latencies),
        failed=len(timeouts) + failed,
        censored=len(censored),
        attempts=len(latencies) + len(timeouts) + len(censored) + failed,
        errors={kind: count for kind, count in errors.items() if count},
        **counts,
    )
    for timing in (Timing.LATENCY, Timing.SERVICE):
        record.histogram(timing, Outcome.SUCCESS).fold(list(latencies))
        record.histogram(timing, Outcome.TIMEOUT).fold(list(timeouts))
        record.histogram(timing, Outcome.CENSORED).fold(list(censored))
    return record


def iterations(record: StepRecord, dropped: int = 0, scenario: str = "default") -> ScenarioRecord:
    """The iterations of a scenario of one step."""
    of_scenario = ScenarioRecord(
        scenario=scenario,
        planned=record.sent + dropped,
        started=record.sent,
        dropped=dropped,
        finished=record.succeeded,
        failed=record.failed,
        censored=record.censored,
    )
    for outcome in (Outcome.SUCCESS, Outcome.TIMEOUT, Outcome.CENSORED):
        journeys = Histogram.merged([record.histogram(Timing.LATENCY, outcome)])
        of_scenario.journeys[outcome.value] = journeys
    return of_scenario


def report(
    *steps: StepRecord,
    scenarios: Sequence[ScenarioRecord] | None = None,
    dropped: int = 0,
    window: int = 10 * S,
    stopped: str | None = None,
    user_time: int = 100 * S,
    **generator: Any,
) -> WorkerReport:
    health = GeneratorRecord.empty()
    health.user_time = user_time
    health.wall_time = window
    for name, value in generator.items():
        setattr(health, name, value)
    if scenarios is None:
        scenarios = [iterations(record, dropped, record.scenario) for record in steps]
    whole = WorkerReport(
        warmup=PhaseRecord(),
        window=PhaseRecord(steps=list(steps), scenarios=list(scenarios)),
        generator=health,
        series=Series(),
        window_time=window,
        load_time=window,
        stopped=stopped,
    )
    whole.check()
    return whole


def judged(
    one: PerfTestSpec,
    measured: WorkerReport,
    *,
    workers: int = 1,
    reported: int = 1,
    stopped: str | None = None,
    enforced: bool = False,
    lost: Sequence[str] = (),
) -> RunVerdict:
    plan = make_plan(one, uid="u", namespace="shop", test="api", run="api-1")
    counts = WorkerCounts(planned=workers, ready=workers, reported=reported)
    return judge(one, RunOutcome(plan, measured, counts, stopped, enforced, lost=lost))


def pauses(length: int, requests: int) -> Histogram:
    """Pauses of the generator's event loop (ns), and how many requests were open in them."""
    whole = Histogram()
    whole.record(length, requests)
    return whole
