"""The results of a benchmark suite, in figures and compared with objectives."""

from collections.abc import Iterator, Mapping, Sequence

from perfrun.api.run.perfrun import MAX_BENCHMARKS_SHOWN, BenchmarkFigures, BenchmarkStatus
from perfrun.api.test.metric import BENCHMARK, LATENCY, MEMORY_PEAK, ROUNDS, STATISTICS
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.api.test.slo import format_measured
from perfrun.logic.problems import Problem, suggestion
from perfrun.logic.verdict.readings import NoReading, Reading
from perfrun.measure.benchmark import BenchmarkRecord
from perfrun.measure.report import WorkerReport

_NAMED = 5
"""Names that a sentence lists."""


def measured(metric: str, of: str, report: WorkerReport) -> Reading | NoReading:
    """What the suite's tool reports about a metric, in its unit, or why there is nothing.

    A command that failed may not have measured everything: whether it met an objective is not
    known.
    """
    record = report.benchmark
    if record is None:
        return NoReading("is not known: the command did not run")
    doubt = f"the command failed: {record.failure}" if record.failure is not None else ""
    if metric == MEMORY_PEAK:
        if record.memory_peak is None:
            return NoReading(f"is not known: {record.failure}")
        return Reading.exact(record.memory_peak, 1, doubt=doubt)
    if record.trouble is not None:
        return NoReading(f"is not known: {record.failure or record.trouble}")
    found = next((one for one in record.benchmarks if one.name == of), None)
    if found is None:
        return NoReading(f"is not in the results: {_there(record, of)}")
    if metric not in found.values:
        return NoReading(f"is not in the results: {of} has {', '.join(found.values)}")
    rounds = max(1, round(found.values.get(ROUNDS, 1)))
    return Reading.exact(found.values[metric], rounds, doubt=doubt)


def status_of_benchmark(
    report: WorkerReport, limits: Mapping[str, Sequence[float]]
) -> BenchmarkStatus | None:
    """What a user reads about it; None if the target is not a benchmark."""
    record = report.benchmark
    if record is None:
        return None
    shown = record.benchmarks[:MAX_BENCHMARKS_SHOWN]
    peak = record.memory_peak
    return BenchmarkStatus(
        memory_peak=None
        if peak is None
        else format_measured(MEMORY_PEAK, peak, list(limits.get(MEMORY_PEAK, ()))),
        results=[
            BenchmarkFigures(
                name=one.name,
                figures={
                    metric: format_measured(metric, value, list(limits.get(metric, ())))
                    for metric, value in one.values.items()
                },
            )
            for one in shown
        ],
        left_out=record.left_out + len(record.benchmarks) - len(shown),
        message=record.failure or record.trouble,
    )


def benchmark_objective_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """Objectives on benchmarks in tests that have none, and objectives that name none."""
    is_benchmark = spec.target.benchmark is not None
    for index, slo in enumerate(spec.slos):
        where = f"spec.slos[{index}]"
        if slo.metric not in BENCHMARK:
            continue
        if not is_benchmark:
            hint = f'; did you mean "{LATENCY}.{slo.metric}"?' if slo.metric in STATISTICS else ""
            yield Problem(
                f"{where}.metric", f"{slo.metric} is measured only for benchmark targets{hint}"
            )
        elif slo.metric == MEMORY_PEAK and slo.of:
            yield Problem(f"{where}.of", f"{MEMORY_PEAK} is about the whole command: remove of")
        elif slo.metric != MEMORY_PEAK and not slo.of:
            yield Problem(
                f"{where}.of",
                f"{slo.metric} is about one benchmark: set of to its name in the results",
            )


def _there(record: BenchmarkRecord, of: str) -> str:
    names = [one.name for one in record.benchmarks]
    hint = suggestion(of, names)
    listed = ", ".join(names[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    left = f" ({record.left_out} were left out)" if record.left_out else ""
    return f"the results have {listed}{more}{left}{hint}"
