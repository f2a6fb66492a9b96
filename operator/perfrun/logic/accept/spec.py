"""Whether a test can be run as it is written: what the API server's schema cannot check.

A check takes the spec and yields problems; a new check is a new row of ``_CHECKS``, ``_CHECKS_OF``
or ``_DOUBTS``.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from perfrun.api.run.perfrun import MAX_SLOS, MAX_STEPS
from perfrun.api.test.metric import METRICS, MetricSource
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.api.test.scenario import Step
from perfrun.api.test.target import TargetKind
from perfrun.logic.accept.kinds import kind_problems
from perfrun.logic.accept.loads import crowded_browsers, late_stops, load_problems, search_problems
from perfrun.logic.accept.observed import observe_problems, short_windows
from perfrun.logic.accept.scripts import (
    missing_in_cluster,
    path_problems,
    script_problems,
    target_problems,
)
from perfrun.logic.accept.steps import (
    bracket_doubts,
    extraction_problems,
    feed_problems,
    json_path_problems,
    placed_steps,
    steps_of,
    template_problems,
)
from perfrun.logic.accept.targets import (
    address_problems,
    duration_problems,
    header_problems,
    option_problems,
    url_problems,
)
from perfrun.logic.plan.commands import command_problems
from perfrun.logic.plan.run_plan import make_plan, scenarios_of
from perfrun.logic.plan.shape import Shape
from perfrun.logic.problems import Problem, field_path, suggestion
from perfrun.logic.schedule.due import problem_with_cron, zone
from perfrun.logic.verdict.benchmarks import benchmark_objective_problems
from perfrun.logic.verdict.objectives import (
    Objective,
    class_label,
    objectives,
    out_of_reach,
    samples_needed,
    share,
)

MAX_PLAN_BYTES = 900 * 1024
"""The plan travels in a ConfigMap, which holds 1 MiB."""
SHORT_DEADLINE = 10


class Acceptance(NamedTuple):
    """What prevents a test from running, and what is doubtful in it."""

    problems: list[Problem]
    """If there are any, the test is not run."""
    warnings: list[Problem]
    in_cluster: list[Problem]
    """Those warnings that apply only to runs in a cluster."""


def check(spec: PerfTestSpec) -> Acceptance:
    """Everything that is wrong or doubtful in a spec that parsed.

    There are warnings only if there are no problems, because warnings are computed from values that
    may not exist otherwise.
    """
    checks = (*_CHECKS, *_CHECKS_OF[spec.target.kind])
    problems = [problem for one in checks for problem in one(spec)]
    if problems:
        return Acceptance(problems, [], [])
    warnings = [problem for one in _DOUBTS for problem in one(spec)]
    # Outside a cluster a process replaces the workload, and is sampled more often.
    in_cluster = [*short_windows(spec), *missing_in_cluster(spec)]
    return Acceptance(problems, warnings + in_cluster, in_cluster)


def _schedule(spec: PerfTestSpec) -> Iterator[Problem]:
    if spec.schedule is None:
        return
    wrong = problem_with_cron(spec.schedule.cron)
    if wrong is not None:
        yield Problem("spec.schedule.cron", wrong)
    try:
        zone(spec.schedule.time_zone)
    except ValueError as error:
        yield Problem("spec.schedule.timeZone", str(error))


# --- steps ------------------------------------------------------------------------------------


def _paths_after_a_query(spec: PerfTestSpec) -> Iterator[Problem]:
    kind, appended = (
        spec.target.kind,
        [
            [*where, *field]
            for where, step, _ in placed_steps(spec)
            if (field := _appended(step)) is not None
        ],
    )
    if "?" in (spec.target.url or "") and appended:
        yield Problem(
            f"spec.target.{kind}.url",
            f"has a query, and {field_path(appended[0])} would be appended to it: move the query "
            "into the paths of the steps",
        )


def _appended(step: Step) -> tuple[str, str] | None:
    """The field of a step that is appended to the target's url."""
    if step.http is not None and step.http.path is not None:
        return "http", "path"
    if step.browser is not None and step.browser.goto is not None:
        return "browser", "goto"
    return None


# --- names ------------------------------------------------------------------------------------


def _names(spec: PerfTestSpec) -> Iterator[Problem]:
    """Names of steps, scenarios and observed things, which share one name space because ``of``
    names them.
    """
    seen: dict[str, str] = {}
    for name, where in _named(spec):
        if name in seen:
            yield Problem(
                where,
                f'"{name}" is already the name of {seen[name]}: names of steps, scenarios and '
                "entries of spec.observe must be unique",
            )
        else:
            seen[name] = where


def _named(spec: PerfTestSpec) -> Iterator[tuple[str, str]]:
    """Each name that ``of`` may refer to, with its place."""
    for s, scenario in enumerate(spec.scenarios or []):
        yield scenario.name, field_path(["spec", "scenarios", s, "name"])
        for t, step in enumerate(scenario.steps):
            yield step.name, field_path(["spec", "scenarios", s, "steps", t, "name"])
    for index, thing in enumerate(spec.observe or []):
        yield thing.name, field_path(["spec", "observe", index, "name"])


def _objectives(spec: PerfTestSpec) -> Iterator[Problem]:
    scenarios = {scenario.name for scenario in scenarios_of(spec)}
    steps = [step for scenario in scenarios_of(spec) for step in scenario.steps]
    classes = {label for step in steps if (label := class_label(step)) is not None}
    known = scenarios | {step.name for step in steps} | classes
    observed = {thing.name for thing in spec.observe or []}
    keys = Counter((slo.metric, slo.of, slo.on_breach) for slo in spec.slos)
    for index, slo in enumerate(spec.slos):
        where = f"spec.slos[{index}]"
        row = METRICS[slo.metric]
        if row.source is MetricSource.PAGE and spec.target.browser is None:
            yield Problem(f"{where}.metric", f"{slo.metric} is measured only for browser targets")
        if row.source is MetricSource.OBSERVED or slo.of in observed:
            pass  # checked in observe_problems
        elif spec.target.script is not None:
            pass  # what a script names its requests is known only after the run
        elif row.source is MetricSource.BENCHMARK:
            pass  # checked in benchmark_objective_problems; the names are known only after the run
        elif slo.of and slo.of not in known:
            hint = suggestion(slo.of, known) or f"; use one of: {', '.join(sorted(known))}"
            yield Problem(
                f"{where}.of", f'"{slo.of}" is not a step, scenario or class of this test{hint}'
            )
        elif row.by_scenario and slo.of not in {"", *scenarios}:
            yield Problem(
                f"{where}.of",
                f"{slo.metric} is counted per scenario, not per step or class: name a scenario, "
                "or remove of",
            )
        if slo.lower is not None and slo.upper is not None and slo.lower > slo.upper:
            yield Problem(
                f"{where}.min", f"{slo.min} is more than max, {slo.max}: no value can meet both"
            )
        if keys[slo.metric, slo.of, slo.on_breach] > 1:
            yield Problem(
                where,
                f"there is another objective with the same metric {slo.metric}, of {slo.of!r} and "
                f"onBreach {slo.on_breach}: remove one",
            )


# --- size ----------------------------------------------------------------------------------


def _sizes(spec: PerfTestSpec) -> Iterator[Problem]:
    steps = sum(len(scenario.steps) for scenario in scenarios_of(spec))
    if steps > MAX_STEPS:
        yield Problem(
            "spec.scenarios",
            f"has {steps} steps in total; at most {MAX_STEPS} are allowed: split the test",
        )
    number = len(objectives(spec))
    if number > MAX_SLOS:
        yield Problem(
            "spec.slos",
            f"has {number} objectives with those of the steps' classes; at most {MAX_SLOS} are "
            "allowed: remove some",
        )
    longest_name = "x" * 63
    plan = make_plan(
        spec, uid=longest_name, namespace=longest_name, test=longest_name, run=longest_name
    )
    if (size := len(plan.to_bytes())) > MAX_PLAN_BYTES:
        yield Problem(
            "spec.scenarios",
            f"and the rest of the plan take {size // 1024} KiB; at most {MAX_PLAN_BYTES // 1024} "
            "KiB are allowed: use smaller bodies",
        )


# --- doubts -----------------------------------------------------------------------------------


def _short_deadline(spec: PerfTestSpec) -> Iterator[Problem]:
    deadline = spec.schedule.starting_deadline_seconds if spec.schedule is not None else None
    if deadline is not None and deadline < SHORT_DEADLINE:
        yield Problem(
            "spec.schedule.startingDeadlineSeconds",
            f"{deadline} is less than {SHORT_DEADLINE} seconds: the operator may notice a "
            "scheduled time too late and miss the run",
        )


def _unsupported_percentiles(spec: PerfTestSpec) -> Iterator[Problem]:
    iterations = _expected_iterations(spec)
    if iterations is None:
        return
    for where, objective in _placed(spec):
        if not objective.row.planned:
            continue
        samples = iterations * share(scenarios_of(spec), objective.metric, objective.of)
        needed = samples_needed(objective.metric)
        if samples < needed:
            yield Problem(
                where,
                f"{objective.subject} needs {needed} samples, but this load gives only about "
                f"{samples:.0f}: it will be Inconclusive",
            )


def _unreachable_floors(spec: PerfTestSpec) -> Iterator[Problem]:
    for where, objective in _placed(spec):
        if not objective.row.floor or objective.lower is None:
            continue
        if spec.load.burst is not None:
            if objective.from_class is None:
                yield Problem(where, f"{objective.subject}: min is not judged in a burst")
        elif spec.load.open is not None:
            reason = out_of_reach(spec.load, scenarios_of(spec), objective)
            if reason is not None:
                yield Problem(where, f"{objective.subject} {reason}: it will be NotApplicable")


def _expected_iterations(spec: PerfTestSpec) -> float | None:
    """Iterations in the window; None for a closed load, where the number depends on the target."""
    if spec.load.burst is not None:
        return spec.load.burst.requests
    if spec.load.open is None:
        return None  # nor a capacity search, which is refused if a hold gives too few
    shape = Shape.of(spec.load)
    return shape.count(shape.end) - shape.count(shape.warmup)


def _placed(spec: PerfTestSpec) -> Iterator[tuple[str, Objective]]:
    """The objectives, each with the field that it comes from."""
    places = {step.name: field_path([*where, "class"]) for where, step in steps_of(spec)}
    for index, objective in enumerate(objectives(spec)):
        own = objective.from_class is None
        yield f"spec.slos[{index}]" if own else places[objective.of], objective


_Check = Callable[[PerfTestSpec], Iterable[Problem]]

_CHECKS: tuple[_Check, ...] = (
    _schedule,
    kind_problems,
    duration_problems,
    _names,
    feed_problems,
    template_problems,
    extraction_problems,
    load_problems,
    search_problems,
    _objectives,
    observe_problems,
    benchmark_objective_problems,
    _sizes,
)
_CHECKS_OF: dict[TargetKind, tuple[_Check, ...]] = {
    "http": (url_problems, header_problems, json_path_problems, _paths_after_a_query),
    "sql": (),
    "browser": (url_problems, _paths_after_a_query),
    "benchmark": (command_problems,),
    "script": (script_problems, target_problems, path_problems, command_problems),
    "extension": (address_problems, option_problems, json_path_problems),
}
_DOUBTS: tuple[_Check, ...] = (
    _short_deadline,
    bracket_doubts,
    _unsupported_percentiles,
    _unreachable_floors,
    late_stops,
    crowded_browsers,
)
