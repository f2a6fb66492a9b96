"""Which runs can be compared, and by which figures."""

from perfrun.api.quantities import parse_cores, parse_percent
from perfrun.api.run.environment import Environment, WorkloadStatus
from perfrun.api.run.perfrun import PerfRun, PerfRunStatus, Phase, Verdict, figure_of
from perfrun.api.test.metric import CPU_MAX, MEMORY_PEAK, METRICS, Notation
from perfrun.api.test.slo import parse_limit
from perfrun.measure.trend import MAX_LEVEL, MIN_LEVEL, Point

_ALWAYS = tuple(name for name, row in METRICS.items() if row.place.trend)
_COMPARED = {
    name
    for name, row in METRICS.items()
    if row.kind in (Notation.DURATION, Notation.RATE) or name == MEMORY_PEAK
}
_PROVES = (Verdict.PASS, Verdict.WARN, Verdict.FAIL)


def point_of(run: PerfRun) -> Point | None:
    """The figures that later runs are compared with; None for a run whose figures prove nothing.

    :func:`left_out` says why.
    """
    status = run.status
    if left_out(run) is not None or status.completion_time is None:
        return None
    return Point(
        run=run.metadata.name,
        completed=status.completion_time,
        started=status.start_time or "",
        values=_values(run),
        workloads=status.environment.workloads if status.environment else [],
        cpu=_cpu(run),
    )


def left_out(run: PerfRun) -> str | None:
    """Why the figures of a run prove nothing to later runs; None if they do.

    This applies to a run that has no verdict of its own, was stopped, lost workers, or had a load
    generator at fault, which makes a run slow by itself; and to one that has overrides.
    """
    status = run.status
    if status.phase is not Phase.DONE:
        return "it is not done"
    if run.spec.overrides is not None:
        return "it has overrides"
    faults = [
        finding.type
        for finding in (status.generator.findings if status.generator else [])
        if finding.effect != "Informing"
    ]
    # Before the verdict, because it may be Inconclusive for exactly this reason.
    if faults:
        return f"its load generator had problems ({', '.join(faults)})"
    if status.stopped:
        return "it was stopped"
    if status.verdict not in _PROVES:
        return f"its verdict is {status.verdict}"
    if status.workers is None or status.workers.reported < status.workers.planned:
        return "not all workers have reported"
    if not is_covered(status):
        return "part of its load was lost"
    return None if _values(run) else "it has no comparable metric"


def is_covered(status: PerfRunStatus) -> bool:
    """Whether workers reported on all of the planned load, even if the test asks for less.

    A worker that is ended early reports too; without it the target had less to do.
    """
    covered = status.generator.coverage if status.generator is not None else None
    try:
        return covered is None or parse_percent(covered) >= 1
    except ValueError:
        return False


def _cpu(run: PerfRun) -> dict[str, str]:
    """The highest CPU use of each observed workload, with its limit if it has one."""
    environment = run.status.environment
    limits = {one.name: _cpu_limit(one) for one in environment.workloads} if environment else {}
    used = {}
    for seen in run.status.observed:
        text = seen.figures.get(CPU_MAX)
        if text is None:
            continue
        limit = limits.get(seen.name)
        try:
            used[seen.name] = f"{parse_cores(text) / limit:.0%} of its limit" if limit else text
        except ValueError:
            continue
    return used


def _cpu_limit(workload: WorkloadStatus) -> float | None:
    """Cores that all replicas may use; None where a container has no limit."""
    given = [value for name, value in workload.limits.items() if name.endswith("/cpu")]
    if not given or len(given) < len(workload.images):
        return None
    try:
        return sum(map(parse_cores, given)) * workload.replicas
    except ValueError:
        return None


def fingerprint(environment: Environment | None) -> dict[str, str]:
    """All that has to be the same for two runs to be compared: values by name.

    Images are not included, because runs with different images are the ones to compare.
    """
    if environment is None:
        return {}
    values = {"machine": "; ".join(sorted(environment.machines))}
    values |= {f"worker {name}": value for name, value in environment.resources.items()}
    for workload in environment.workloads:
        values[f"{workload.name} replicas"] = str(workload.replicas)
        values |= {f"{workload.name} {name}": value for name, value in workload.limits.items()}
    return dict(sorted(values.items()))


def _values(run: PerfRun) -> dict[str, float]:
    summary = run.status.summary
    values: dict[str, float] = {}
    if summary is not None:
        for metric in _ALWAYS:
            _take(values, metric, metric, figure_of(summary, metric))
    for slo in run.status.slos:
        if slo.metric not in _COMPARED:
            continue
        _take(values, slo.subject, slo.metric, slo.measured)
    return values


def _take(values: dict[str, float], name: str, metric: str, text: str | None) -> None:
    """A figure that is known, positive and plausible, because its logarithm is used."""
    try:
        value = parse_limit(metric, text) if text is not None else 0.0
    except ValueError:
        return  # a bound such as ≥5s
    if MIN_LEVEL <= value <= MAX_LEVEL:
        values[name] = value
