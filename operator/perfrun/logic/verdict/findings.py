"""What the load generator's own health says about what its figures can prove.

A rule is a function from evidence to a finding or None; a new rule is a new row of ``_RULES``.
Inflating findings make durations longer than the target's; under-loading ones mean that less load
was generated than the test specifies.
"""

from collections.abc import Callable
from dataclasses import dataclass

from perfrun.api.quantities import (
    NS_PER_MS,
    NS_PER_S,
    format_duration,
    format_exact_duration,
    format_percent,
    format_rate,
)
from perfrun.api.run.perfrun import Finding, GeneratorStatus, WorkerCounts
from perfrun.api.test.metric import LATENCY, SERVICE
from perfrun.logic.plan.run_plan import longest_load, planned, planned_user_time
from perfrun.logic.verdict.omission import estimate
from perfrun.logic.verdict.readings import Reading, read, scope
from perfrun.logic.verdict.scripts import finding_of, script_findings
from perfrun.measure.histogram import supports
from perfrun.measure.plan import RunPlan
from perfrun.measure.record import LATE, GeneratorRecord
from perfrun.measure.report import WorkerReport

MIN_LAG = NS_PER_MS
LAG_OF_SERVICE = 0.1
LATE_SENDS = 0.05
SENT = 0.99
THROTTLED = 0.01
STALL = 100 * NS_PER_MS
STOLEN, WAITED, BUSY = 0.01, 0.02, 0.8
"""Shares of the window (steal, waiting for a CPU, using one) above which a worker is delayed."""
SKEW = NS_PER_S
OMITTED = 2.0
"""How much longer the 99th percentile has to be with the omitted requests to be reported."""
LONG_WAIT = 10
"""Multiple of the usual interval between two requests of a user: a wait this long hides something.
"""


@dataclass(frozen=True)
class Evidence:
    """What the rules look at."""

    plan: RunPlan
    report: WorkerReport
    workers: WorkerCounts
    coverage: float
    """Share of the planned load that was reported on."""

    @property
    def generator(self) -> GeneratorRecord:
        """The health of all workers together."""
        return self.report.generator


def examine(
    plan: RunPlan, report: WorkerReport, workers: WorkerCounts, *, ordered: bool = False
) -> GeneratorStatus:
    """The generator's health and the findings that follow from it.

    ``ordered``: somebody ended the load early.
    """
    covered = coverage(plan, report, workers, ordered=ordered)
    evidence = Evidence(plan, report, workers, covered)
    record = report.generator
    spread = record.last_send - record.first_send
    return GeneratorStatus(
        lag_p99=_lag_p99(plan, record),
        cpu=_percent(record.cpu_time, record.wall_time),
        throttled=_percent(record.throttled_periods, record.periods),
        # 0 if the system does not report it.
        cpu_wait=_percent(record.waited_time, record.wall_time) if record.waited_time else None,
        steal=_percent(record.stolen_time, record.wall_time) if record.stolen_time else None,
        ceiling=format_rate(record.ceiling) if record.ceiling > 0 else None,
        start_skew=format_duration(record.start_skew) if record.started_at else None,
        send_spread=format_duration(spread) if plan.load.burst is not None else None,
        coverage=format_percent(evidence.coverage, [plan.load.min_coverage, 1]),
        reuse=_reuse(report) if plan.load.capacity is None and not plan.target.script else None,
        findings=_findings(evidence),
    )


def _lag_p99(plan: RunPlan, record: GeneratorRecord) -> str | None:
    if plan.load.open is None or not supports(record.lag.count, 0.99):
        return None
    return format_duration(record.lag.quantile(0.99))


def _reuse(report: WorkerReport) -> str | None:
    attempts = report.warmup.attempts + report.window.attempts
    if not attempts:
        return None
    # Connections may be opened and never used, as when a request is given up meanwhile.
    return format_percent(max(0.0, 1 - report.generator.connections / attempts), [0, 1])


def coverage(
    plan: RunPlan, report: WorkerReport, workers: WorkerCounts, *, ordered: bool = False
) -> float:
    """The share of the planned load, until its end, that workers reported on, including dropped
    iterations.

    Counted in iterations, or in user-seconds of a closed load. A load that was stopped early on
    purpose covers what its workers do: the time until each of them learned of the stop is not a
    loss. A worker that ended by itself, for example after an eviction, is a loss: it says
    ``stopped`` too, but nobody asked for it.
    """
    if ordered or plan.target.script is not None:  # the plan does not know a script's load
        cut_short = report.script.terminated if report.script is not None and not ordered else 0
        return min(max(report.workers - cut_short, 0) / workers.planned, 1.0)
    if plan.load.closed is not None:
        whole, reported = planned_user_time(plan), report.generator.user_time
    else:
        whole = planned(plan)
        phases = (report.warmup, report.window)
        reported = sum(record.planned for phase in phases for record in phase.scenarios)
    return min(reported / whole, 1.0) if whole else 0.0


def _findings(evidence: Evidence) -> list[Finding]:
    plan, report = evidence.plan, evidence.report
    if plan.target.script is not None:
        own = (_exhausted, _not_covered, _skewed)
        found = [finding for rule in own if (finding := rule(evidence)) is not None]
        return [*found, *script_findings(plan, report)]
    found = [finding for rule in _RULES if (finding := rule(evidence)) is not None]
    sent = _sent_too_little(evidence, found)
    return found if sent is None else [*found, sent]


def _lag(evidence: Evidence) -> Finding | None:
    lag = evidence.generator.lag
    if evidence.plan.load.open is None or not lag.count:
        return None
    report = evidence.report
    service = read(f"{SERVICE}.p50", scope(evidence.plan, report.window, "", report.window_time))
    usual = service.low if isinstance(service, Reading) else 0.0
    # A count of these iterations, and no estimate: it holds for a few as well.
    allowed, seen = max(MIN_LAG, LAG_OF_SERVICE * usual), lag.quantile(0.99)
    if seen <= allowed:
        return None
    return finding_of(
        "Lag",
        "Inflating",
        f"1 in 100 iterations started {format_duration(seen, [allowed])} or more after it was "
        f"due; at most {format_duration(allowed)} is harmless: {_cause(evidence.generator)}",
    )


def _cause(record: GeneratorRecord) -> str:
    """What most likely kept the workers from running in time, and what to do about it."""

    def share(part: int) -> float:
        return part / record.wall_time if record.wall_time else 0.0

    used, waited, stolen = map(share, (record.cpu_time, record.waited_time, record.stolen_time))
    if _is_throttled(record):
        return "the CPU limit throttled it, so raise or remove the limit in podTemplate"
    if stolen > STOLEN:
        return (
            f"other virtual machines had its CPU for {format_percent(stolen, [STOLEN])} of the "
            "time (steal), so use nodes that do not share their CPUs"
        )
    if used > BUSY:
        return f"it used {format_percent(used, [BUSY])} of a core, so use more workers"
    if waited > WAITED:
        return (
            f"it used {format_percent(used)} of a core, but waited for a CPU for "
            f"{format_percent(waited, [WAITED])} of the time, because its machine was busy with "
            "other programs: use a quieter machine, or request more CPU"
        )
    # 0: the system does not report it.
    waits = (
        f"waited for a CPU for {format_percent(waited)} of the time" if record.waited_time else ""
    )
    return (
        f"the cause is unknown (it used {format_percent(used)} of a core and "
        f"{waits or 'its waits for a CPU were not measured'}): look at what else its machine did"
    )


def _late_sends(evidence: Evidence) -> Finding | None:
    record = evidence.generator
    if evidence.plan.load.open is None or record.late_sends <= LATE_SENDS * record.lag.count:
        return None
    if not record.lag.count:
        return None  # no iteration was started, which perfrun's own workers never report
    share = format_percent(record.late_sends / record.lag.count, [LATE_SENDS])
    return finding_of(
        "LateSends",
        "UnderLoading",
        f"{share} of iterations started more than {format_duration(LATE)} late, at most "
        f"{format_percent(LATE_SENDS)} is harmless: {_cause(record)}",
    )


def _is_throttled(record: GeneratorRecord) -> bool:
    # Without periods there is no quota, whatever a worker reports about them.
    return record.periods > 0 and record.throttled_periods > THROTTLED * record.periods


def _throttled(evidence: Evidence) -> Finding | None:
    record = evidence.generator
    if not _is_throttled(record):
        return None
    share = format_percent(record.throttled_periods / record.periods, [THROTTLED])
    return finding_of(
        "Throttled",
        "Inflating",
        f"workers were throttled by their CPU limit in {share} of periods, at most "
        f"{format_percent(THROTTLED)} is harmless: raise or remove the limit in podTemplate",
    )


def _stalled(evidence: Evidence) -> Finding | None:
    stall = evidence.generator.longest_stall
    if stall <= STALL:
        return None
    return finding_of(
        "Stall",
        "Inflating",
        f"a worker was paused for {format_duration(stall, [STALL])}, at most "
        f"{format_duration(STALL)} is harmless: {_cause(evidence.generator)}",
    )


def _exhausted(evidence: Evidence) -> Finding | None:
    ran_out = {what: count for what, count in evidence.generator.exhausted.items() if count > 0}
    if not ran_out:
        return None
    times = ", ".join(f"{what} {count} times" for what, count in sorted(ran_out.items()))
    return finding_of(
        "Exhausted",
        "UnderLoading",
        f"workers ran out of their own resources ({times}): use more workers",
    )


def _not_covered(evidence: Evidence) -> Finding | None:
    load, workers = evidence.plan.load, evidence.workers
    if evidence.coverage >= load.min_coverage:
        return None
    covered = format_percent(evidence.coverage, [load.min_coverage])
    return finding_of(
        "Coverage",
        "Informing" if load.on_worker_loss == "Continue" else "UnderLoading",
        f"only {covered} of the planned load was reported, by {workers.reported} of "
        f"{workers.planned} workers, but at least {format_percent(load.min_coverage)} is required "
        "(load.minCoverage)",
    )


def _skewed(evidence: Evidence) -> Finding | None:
    skew = evidence.generator.start_skew
    if skew <= SKEW:
        return None
    return finding_of(
        "StartSkew",
        "UnderLoading",
        f"the last worker started {format_duration(skew, [SKEW])} after the first, at most "
        f"{format_duration(SKEW)} is harmless",
    )


def _omission(evidence: Evidence) -> Finding | None:
    """What waiting users did not see: an estimate, by which no objective is judged."""
    plan, report = evidence.plan, evidence.report
    sent = sum(step.sent for phase in (report.warmup, report.window) for step in phase.steps)
    if plan.load.closed is None or not sent or not evidence.generator.user_time:
        return None
    interval = evidence.generator.user_time // sent
    whole = scope(plan, report.window, "", report.window_time).distribution(LATENCY)
    guessed = estimate(whole.whole, interval, 0.99)
    seen = whole.statistic("p99")
    waited = "users who wait for a response send nothing meanwhile"
    if isinstance(seen, Reading):
        if guessed < OMITTED * seen.low:
            return None
        message = (
            f"{waited}: latency.p99 was {format_duration(seen.low)}, but in an open load of the "
            f"same rate it would be about {format_duration(guessed)}. This is an estimate, and no "
            "objective is judged by it: to measure it, use spec.load.open"
        )
    elif whole.whole.greatest >= LONG_WAIT * interval:
        longest = format_duration(whole.whole.greatest)
        message = (
            f"{waited}, up to {longest} here: the latency in an open load of the same rate cannot "
            f"be estimated, because latency.p99 {seen.reason}: to measure it, use spec.load.open"
        )
    else:
        return None
    return finding_of("Omission", "Informing", message)


def _not_stopped(evidence: Evidence) -> Finding | None:
    """A load that was to be stopped, and ended by itself."""
    if not evidence.plan.load.until_stopped or evidence.report.stopped is not None:
        return None
    warmup = evidence.plan.load.warmup or 0
    longest = format_exact_duration(longest_load(evidence.plan) - warmup)
    return finding_of(
        "NotStopped",
        "Informing",
        f"nobody stopped the load within its maxDuration, {longest}: it ended by itself",
    )


_RULES: tuple[Callable[[Evidence], Finding | None], ...] = (
    _lag,
    _late_sends,
    _throttled,
    _stalled,
    _exhausted,
    _not_covered,
    _skewed,
    _omission,
    _not_stopped,
)

_OWN_FAULTS = frozenset({"Lag", "LateSends", "Throttled", "Stall", "Exhausted"})


def _sent_too_little(evidence: Evidence, found: list[Finding]) -> Finding | None:
    """A load that was not generated, because of the generator or because the target was
    too slow.
    """
    if evidence.plan.load.open is None:
        return None
    scenarios = evidence.report.window.scenarios
    due = sum(record.planned for record in scenarios)
    started = sum(record.started for record in scenarios)
    faults = [finding.type for finding in found if finding.type in _OWN_FAULTS]
    if started >= SENT * due:
        return None
    if not faults:
        # A hold of a capacity search cannot set it.
        searched = evidence.plan.load.capacity is not None
        most = "a worker may have" if searched else "load.open.maxInFlight allows"
        return finding_of(
            "Dropped",
            "UnderLoading",
            f"{due - started} of {due} iterations were dropped, because as many as {most} were in "
            "flight: the target is slower than the load, and nothing is known about the requests "
            "that were not sent",
        )
    return finding_of(
        "SentBelowPlanned",
        "UnderLoading",
        f"{started} of {due} iterations were started, at least {format_percent(SENT)} are "
        f"required; the load generator had problems ({', '.join(faults)})",
    )


def _percent(part: int, whole: int) -> str | None:
    return format_percent(part / whole) if whole else None
