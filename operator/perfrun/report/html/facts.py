"""Facts about a run in words and small tables: when, what, where, and how well it was measured."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from perfrun.api.quantities import format_duration, format_exact_duration, format_rate
from perfrun.api.run.perfrun import (
    PerfRun,
    PerfRunStatus,
    StepStatus,
    Summary,
    Verdict,
)
from perfrun.api.test.load import Load
from perfrun.api.test.metric import CAPACITY, THROUGHPUT, subject
from perfrun.api.times import parse_time
from perfrun.logic.comparison.model import NO_FIGURE, Reported
from perfrun.logic.schedule.admission import place_of
from perfrun.measure.plan import RunPlan
from perfrun.measure.record import StepRecord
from perfrun.measure.report import WorkerReport
from perfrun.measure.result import RunResult
from perfrun.report.lines import by_count, explained, request_counts
from perfrun.report.steps import ALL, figure, named, number

MAX_TRACES = 10


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure or a text with its name."""

    name: str
    value: str


def moment(text: str) -> str:
    """``2026-11-22 02:00:03 UTC``; a text that is not a time is returned unchanged."""
    try:
        return f"{parse_time(text):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:
        return text


def heading(run: PerfRun) -> list[Fact]:
    """When the run took place, how long it took, and why it was started."""
    status, spec = run.status, run.spec
    facts = [Fact("Run", run.metadata.name)]
    if status.start_time:
        facts.append(Fact("Started", moment(status.start_time)))
    if status.summary is not None:
        facts.append(Fact("Window", status.summary.window))
    facts.append(Fact("Reason", spec.reason))
    if status.stopped:
        facts.append(Fact("Stopped", status.stopped))
    if status.overridden:
        facts.append(Fact("Overrides", status.overridden))
    return facts


def key_figures(summary: Summary) -> list[Fact]:
    """The most important figures."""
    facts = [Fact(THROUGHPUT, summary.throughput), Fact("errors", summary.error_rate or NO_FIGURE)]
    if summary.capacity is not None:
        facts.insert(0, Fact(CAPACITY, summary.capacity))
    if summary.latency is not None:
        figures = ((name, getattr(summary.latency, name)) for name in ("p50", "p95", "p99", "max"))
        facts += [Fact(name, figure(text)) for name, text in figures]
    return facts


def counts(summary: Summary, steps: Sequence[StepStatus]) -> list[Fact]:
    """What was planned, sent and failed."""
    iterations, attempts = summary.iterations, summary.attempts
    facts = [
        Fact(
            "Iterations",
            f"{number(iterations.planned)} planned: {number(iterations.started)} started, "
            f"{number(iterations.dropped)} dropped",
        ),
        Fact("Requests", request_counts(summary.requests)),
        Fact(
            "On the wire",
            ", ".join(
                f"{number(count)} in the {phase}"
                for phase, count in (
                    ("setup", attempts.setup),
                    ("warm-up", attempts.warmup),
                    ("window", attempts.window),
                    ("teardown", attempts.teardown),
                )
                if count
            )
            or "none",
        ),
    ]
    if summary.errors:
        facts.append(Fact("Errors", by_count(summary.errors)))
        facts += [Fact("", line) for line in explained(steps)]
    return facts


def parts(status: PerfRunStatus) -> list[tuple[str, Summary | StepStatus]]:
    """All steps together if there are several, then each step, the worst first; by name."""
    whole = [(ALL, status.summary)] if status.summary and len(status.steps) > 1 else []
    return [*whole, *named(status.steps)]


def generator(run: PerfRun) -> list[Fact]:
    """How well perfrun itself kept up with the load."""
    status = run.status
    health, workers = status.generator, status.workers
    facts = []
    if workers is not None:
        facts.append(Fact("Workers", f"{workers.reported} of {workers.planned} reported"))
    if health is not None:
        known = (
            ("Lag, p99", health.lag_p99),
            ("CPU", health.cpu),
            ("Waited for CPU", health.cpu_wait),
            ("Steal", health.steal),
            ("Throttled", health.throttled),
            ("Ceiling", health.ceiling),
            ("Connections reused", health.reuse),
            ("Start skew", health.start_skew),
            ("Send spread", health.send_spread),
            ("Coverage", health.coverage),
        )
        facts += [Fact(name, text) for name, text in known if text]
    return facts


def environment(reported: Reported) -> list[Fact]:
    """The environment of the run, the state of the target's workloads, and the test."""
    return [*_what(reported), *_where(reported), *_target(reported.run)]


def _what(reported: Reported) -> Iterator[Fact]:
    status, result = reported.run.status, reported.result
    if result is not None:
        yield Fact("Target", _target_words(result.plan))
        if result.plan.target.benchmark is None:
            yield Fact("Load", load_words(result.plan.load))
    elif status.target:
        yield Fact("Target", status.target)
    if status.revision:
        yield Fact("Revision", status.revision)
    if status.comparison_key:
        yield Fact("Comparison key", status.comparison_key)
    if result is not None:
        yield Fact("Seed", str(result.plan.seed))


def _target_words(plan: RunPlan) -> str:
    if (benchmark := plan.target.benchmark) is not None:
        command = " ".join(benchmark.command)[:300]
        limit = format_exact_duration(benchmark.timeout)
        return f"{command} in {benchmark.image} (timeout {limit})"
    if (script := plan.target.script) is not None:
        image = f" in {script.image}" if script.image else ""
        return f"{', '.join(script.targets)} ({script.tool} with {script.entry}{image})"
    target, timeout = plan.target, format_exact_duration(plan.target.timeout)
    if (extension := target.extension) is not None:
        return f"{extension.address} ({extension.kind}, timeout {timeout})"
    if target.browser is not None:
        page = target.browser
        return f"{page.url} (in Chromium, {page.cache} cache, timeout {timeout})"
    if target.http is not None:
        return f"{target.http.url} ({target.http.protocol}, timeout {timeout})"
    return f"database of {place_of(target, plan.namespace)} (timeout {timeout})"


def _where(reported: Reported) -> Iterator[Fact]:
    place, result = reported.run.status.environment, reported.result
    machines = place.machines if place is not None else []
    if not machines and result is not None and result.report is not None:
        machines = result.report.generator.machines
    if machines:
        yield Fact("Machines of workers", "; ".join(machines))
    if place is not None and place.resources:
        amounts = ", ".join(f"{name} {amount}" for name, amount in place.resources.items())
        yield Fact("Resources of a worker", amounts)
    if result is not None:
        yield Fact("perfrun", result.perfrun)


def _target(run: PerfRun) -> Iterator[Fact]:
    place = run.status.environment
    for workload in place.workloads if place is not None else []:
        parts = [f"{workload.replicas} replicas"]
        parts += [f"{name} {amount}" for name, amount in workload.limits.items()]
        parts += [f"{container}: {image}" for container, image in workload.images.items()]
        if workload.since:
            parts.append(f"youngest pod from {moment(workload.since)}")
        yield Fact(f"Workload {workload.name}", ", ".join(parts))


def load_words(load: Load) -> str:
    """The shape of a load in one line."""
    workers = f"{load.workers} worker{'s' if load.workers > 1 else ''}"
    warmup = f" after a warm-up of {format_exact_duration(load.warmup)}" if load.warmup else ""
    until = ", until it is stopped" if load.until_stopped else ""
    return f"{_shape(load)}{until}{warmup}, {workers}"


def _shape(load: Load) -> str:
    if load.burst is not None:
        return (
            f"burst of {number(load.burst.requests)} iterations, "
            f"{number(load.burst.concurrency)} at a time"
        )
    if load.capacity is not None:
        search = load.capacity
        return (
            f"search from {format_rate(search.from_)} to {format_rate(search.to)} in holds of "
            f"{format_exact_duration(search.hold)}"
        )
    if load.closed is not None:
        levels = [
            (f"{stage.users} users", stage.ramp, stage.hold) for stage in load.closed.levels()
        ]
        return f"closed: {_stages(levels)}"
    if load.max_duration is not None:
        return f"that of the script, at most {format_exact_duration(load.max_duration)}"
    assert load.open is not None
    levels = [(format_rate(stage.rate), stage.ramp, stage.hold) for stage in load.open.levels()]
    return f"open, {load.open.arrivals}: {_stages(levels)}"


def _stages(levels: Sequence[tuple[str, int, int]]) -> str:
    stages = [
        f"{level}"
        + (f" over {format_exact_duration(ramp)}" if ramp else "")
        + (f" for {format_exact_duration(hold)}" if hold else "")
        for level, ramp, hold in levels[:6]
    ]
    more = [f"{len(levels) - 6} more stages"] if len(levels) > 6 else []
    return ", then ".join([*stages, *more])


@dataclass(frozen=True, slots=True)
class Happened:
    """How far a run without figures came."""

    sentence: str
    facts: Sequence[Fact]


def happened(run: PerfRun) -> Happened | None:
    """For a run that ended as Error; None for all others."""
    status = run.status
    if status.verdict is not Verdict.ERROR:
        return None
    times = (
        ("Created", run.metadata.creation_timestamp),
        ("Load started", status.start_time),
        ("Load ended", status.load_end_time),
        ("Run ended", status.completion_time),
    )
    facts = [Fact(name, moment(str(time))) for name, time in times if time]
    if (workers := status.workers) is not None:
        counts = ((workers.ready, "were ready"), (workers.reported, "reported"))
        counted = ", ".join(f"{number(count)} {what}" for count, what in counts)
        facts.append(Fact("Workers", f"{number(workers.planned)} planned: {counted}"))
    if status.launch_error:
        facts.append(Fact("Last error of the Job", status.launch_error))
    if status.start_time is None:
        return Happened("The load never started, so the target was not measured.", facts)
    return Happened("The load started, but what it measured is not known.", facts)


def objective_texts(result: RunResult | None) -> list[str]:
    """The objectives of a run without verdicts: ``latency.p95 of list: at most 500ms``."""
    texts = []
    for slo in result.slos if result is not None else []:
        words = (("max", "at most"), ("min", "at least"))
        limits = [f"{word} {slo[bound]}" for bound, word in words if slo.get(bound) is not None]
        name = subject(str(slo.get("metric", "")), str(slo.get("of") or ""))
        texts.append(f"{name}: {', '.join(limits)}")
    return texts


@dataclass(frozen=True, slots=True)
class Trace:
    """A slow request, and its trace id."""

    step: str
    latency: str
    trace_id: str


def slowest(report: WorkerReport) -> list[Trace]:
    """The slowest requests of the window whose traces are known."""

    def traces(record: StepRecord) -> Iterator[tuple[int, Trace]]:
        for one in record.slowest:
            name = f"{record.scenario}/{record.step}"
            yield one.latency, Trace(name, format_duration(one.latency), one.trace_id)

    found = [pair for record in report.window.steps for pair in traces(record)]
    return [trace for _, trace in sorted(found, key=lambda pair: -pair[0])[:MAX_TRACES]]


def without_result(result: RunResult | None) -> str | None:
    """Why there are no charts; None: there are charts."""
    if result is None:
        return (
            "The full result of this run is no longer kept, so there are no charts: the "
            "figures are those of its status. Results are kept for the last five runs of a "
            "test."
        )
    if result.report is None:
        return "No worker reported, so there is nothing to draw."
    return None
