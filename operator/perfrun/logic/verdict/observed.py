"""Single figures of what was observed during the load, and how far they can be trusted."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import numpy as np

from perfrun.api.quantities import NS_PER_S, format_bytes, format_duration
from perfrun.api.test.metric import OBSERVABLES, OBSERVED, RESTARTS, observables
from perfrun.api.test.observe import ObservedStatus
from perfrun.logic.plan.run_plan import MIN_PERIOD
from perfrun.logic.verdict.readings import NoReading, Reading
from perfrun.measure.observed import Observation
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import WorkerReport

WORKLOAD_RESOLUTION = 15 * NS_PER_S
"""The resolution of metrics.k8s.io, with the defaults of metrics-server."""
MIN_WORKLOAD_WINDOW = 4 * WORKLOAD_RESOLUTION
_MAX_GAP = 4 * WORKLOAD_RESOLUTION
_GAP_OF_WINDOW = 0.25


def observed(metric: str, of: str, plan: RunPlan, report: WorkerReport) -> Reading | NoReading:
    """The value of an observed metric in the window: in cores, bytes, or as it is counted."""
    family, statistic = OBSERVED[metric].family, OBSERVED[metric].statistic
    found = next((o for o in report.observed if (o.name, o.metric) == (of, family)), None)
    if found is None:
        if family == RESTARTS and any(one.name == of for one in report.observed):
            return NoReading("is not known: only pods have restarts, and no pod was observed")
        return NoReading("was not observed: there are no measurements of it")
    begin, end = window(plan, report)
    if family == RESTARTS:
        return _restarts(found, begin, end)
    inside = [one for one in found.seen() if begin <= one.at <= end]
    needed = OBSERVABLES[family].needed
    if len(inside) < needed:
        return _too_few(found, len(inside), needed, end - begin)
    times, values = [one.at for one in inside], [one.high for one in inside]
    unseen = _unseen(found, [begin, *times, end])
    if statistic == "growth":
        slope = theil_sen(times, values)
        note = f" ({format_bytes(round(slope * NS_PER_S))} a second)"
        return Reading.exact(slope * (end - begin), len(values), note, unseen)
    weights = sum(one.weight for one in inside)
    made = {
        "max": max(values),
        "min": min(one.low for one in inside),
        "avg": sum(one.mean * one.weight for one in inside) / weights,
    }
    return Reading.exact(made[statistic], len(values), doubt=unseen)


def statuses(
    plan: RunPlan, report: WorkerReport, limits: Mapping[str, Sequence[float]]
) -> list[ObservedStatus]:
    """What a user reads about each observed thing: all existing figures."""
    return [
        ObservedStatus(
            name=thing.name,
            figures=dict(_figures(thing.name, observables(thing.sort), plan, report, limits)),
            message=next(
                (o.trouble for o in report.observed if o.name == thing.name and o.trouble), None
            ),
        )
        for thing in plan.observe
    ]


class Trend(NamedTuple):
    """The line through an observation's points."""

    slope: float
    """Per ns."""
    level: float
    """At T0."""

    def at(self, moment: int) -> float:
        """Its value at a time, ns after T0."""
        return self.level + self.slope * moment


def trend(found: Observation, begin: int, end: int) -> Trend | None:
    """The line that growth is computed from, for charts; None if there are too few points."""
    inside = [(one.at, one.high) for one in found.seen() if begin <= one.at <= end]
    if len(inside) < OBSERVABLES[found.metric].needed:
        return None
    slope = theil_sen([at for at, _ in inside], [value for _, value in inside])
    return Trend(slope, median(value - slope * at for at, value in inside))


def theil_sen(times: Sequence[int], values: Sequence[float]) -> float:
    """The median of the slopes between all pairs of points, per ns: no single point can tilt it."""
    at, level = np.asarray(times, dtype=float), np.asarray(values, dtype=float)
    first, second = np.triu_indices(len(at), 1)
    return float(np.median((level[second] - level[first]) / (at[second] - at[first])))


def _figures(
    name: str,
    families: Sequence[str],
    plan: RunPlan,
    report: WorkerReport,
    limits: Mapping[str, Sequence[float]],
) -> Iterator[tuple[str, str]]:
    for metric, row in OBSERVED.items():
        if row.family not in families:
            continue
        found = observed(metric, name, plan, report)
        if isinstance(found, Reading):
            yield metric, found.text(metric, limits.get(metric, ()))


def window(plan: RunPlan, report: WorkerReport) -> tuple[int, int]:
    """The period that counts; for a capacity search, all of it."""
    begin = 0 if plan.load.capacity is not None else plan.load.warmup or 0
    return begin, max(begin, report.load_time)


def _restarts(found: Observation, begin: int, end: int) -> Reading | NoReading:
    """The increases from the last observation before the window on: when a pod is deleted, its
    count goes too.

    Until the very last observation, because restarts are reported late.
    """
    if not found.at or found.at[-1] < begin:
        return _too_few(found, 0, 1, end - begin)
    before = max((i for i, at in enumerate(found.at) if at <= begin), default=0)
    values = found.values[before:]
    rises = sum(max(0.0, new - old) for old, new in pairwise(values))
    unseen = _unseen(found, [begin, *found.at[before:], end])
    return Reading.exact(rises, len(values), doubt=unseen)


def _too_few(found: Observation, samples: int, needed: int, window: int) -> NoReading:
    if found.trouble is not None:
        return NoReading(f"is not known: {found.trouble}", samples)
    noun = "sample" if needed == 1 else "samples"
    return NoReading(
        f"needs {needed} {noun} in the window of {format_duration(window)}, but there were "
        f"{samples}: pods are sampled every {format_duration(WORKLOAD_RESOLUTION)}, everything "
        f"else every {format_duration(MIN_PERIOD)} at most",
        samples,
    )


def _unseen(found: Observation, times: Sequence[int]) -> str:
    """Why the true value may have been different: a gap between two observations that is
    too long.
    """
    ordered = sorted(times)
    gap = max((b - a for a, b in pairwise(ordered)), default=0)
    if gap <= max(_MAX_GAP, _GAP_OF_WINDOW * (times[-1] - times[0])):
        return ""
    why = f": {found.trouble}" if found.trouble is not None else ""
    return f"there was no measurement for {format_duration(gap)}{why}"
