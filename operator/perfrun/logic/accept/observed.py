"""Whether observed things and the objectives on them fit together. Checks as in ``accept``."""

from collections.abc import Iterator

from perfrun.api.quantities import format_duration
from perfrun.api.test.metric import OBSERVABLES, OBSERVED, subject
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.logic.accept.targets import url_problem
from perfrun.logic.plan.shape import Shape
from perfrun.logic.problems import Problem, suggestion
from perfrun.logic.verdict.observed import MIN_WORKLOAD_WINDOW


def observe_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """Servers that cannot be reached, and objectives on things that are not observed."""
    things = {thing.name: thing for thing in spec.observe or []}
    for index, thing in enumerate(spec.observe or []):
        if thing.prometheus is not None:
            field = f"spec.observe[{index}].prometheus.url"
            yield from url_problem(field, thing.prometheus.url)
            if "?" in thing.prometheus.url:
                yield Problem(
                    field,
                    "has a query, and the path /api/v1/query would be appended to it: remove the "
                    "query",
                )
    for index, slo in enumerate(spec.slos):
        where, row = f"spec.slos[{index}].of", OBSERVED.get(slo.metric)
        if row is None:
            if slo.of in things:
                yield Problem(
                    where,
                    f'"{slo.of}" is an entry of spec.observe, but {slo.metric} is a metric of '
                    "the load",
                )
            continue
        sort = OBSERVABLES[row.family].sort
        if slo.of not in things:
            hint = suggestion(slo.of, things) if slo.of else None
            yield Problem(
                where,
                f"{slo.metric} requires of: the name of a {sort} in spec.observe{hint or ''}",
            )
        elif things[slo.of].sort != sort:
            yield Problem(
                where,
                (
                    f'"{slo.of}" is a {things[slo.of].sort} in spec.observe, but {slo.metric} is '
                    f"a metric of a {sort}"
                ),
            )


def short_windows(spec: PerfTestSpec) -> Iterator[Problem]:
    """Objectives on a workload that is not observed often enough for them."""
    load = spec.load
    if not load.timed:
        return
    shape = Shape.of(load)
    if shape.end - shape.warmup >= MIN_WORKLOAD_WINDOW:
        return
    for index, slo in enumerate(spec.slos):
        if slo.metric in OBSERVED and OBSERVABLES[OBSERVED[slo.metric].family].needed > 1:
            yield Problem(
                f"spec.slos[{index}]",
                f"{subject(slo.metric, slo.of)}: metrics.k8s.io has a new value only every 15s: in "
                f"a window of less than {format_duration(MIN_WORKLOAD_WINDOW)} it may be "
                "Inconclusive in a cluster",
            )
