"""Other reasons than the target why runs may differ: their plans, their environment, themselves."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from perfrun.api.run.perfrun import Phase, Verdict
from perfrun.logic.comparison.comparable import fingerprint, is_covered
from perfrun.logic.comparison.measurables import clocks
from perfrun.logic.comparison.model import Reported
from perfrun.logic.plan.run_plan import MEASURED, NOT_MEASURED_OF_LOAD
from perfrun.measure.plan import RunPlan

_NOT_MEASURED = tuple(f"load.{name}" for name in NOT_MEASURED_OF_LOAD)
_UNSAID = ("variables", "headers", "auth", "feeds", "json", "body", "form")
"""Fields that may contain something that must not appear in a report: only the fact that they
differ is reported.
"""
_MAX_NAMED = 4
_LONG = 60

Flat = Mapping[str, str]


class Doubt(NamedTuple):
    """Why a run's figures prove nothing, as a sentence without its subject."""

    text: str
    by_generator: bool = False
    """A load was generated, but the load generator itself may have been slow."""


def doubt_about(reported: Reported) -> Doubt | None:
    """The first reason for doubt, or None."""
    status = reported.run.status
    if status.phase is not Phase.DONE and status.verdict is None:
        return Doubt("is not done")
    if status.verdict is Verdict.ERROR or status.summary is None:
        return Doubt("ended as Error, without measurements")
    if status.stopped:
        return Doubt(f"was stopped {status.stopped}")
    workers = status.workers
    if workers is not None and workers.reported < workers.planned:
        lost = workers.planned - workers.reported
        return Doubt(f"lost {lost} of {workers.planned} workers")
    if status.generator is not None and not is_covered(status):
        return Doubt(f"generated only {status.generator.coverage} of its load")
    findings = status.generator.findings if status.generator else []
    kinds = dict.fromkeys(one.type for one in findings if one.effect != "Informing")
    if kinds:
        return Doubt(f"had generator problems ({', '.join(kinds)})", by_generator=True)
    return None


def warnings_about(runs: Sequence[Reported]) -> Iterator[str]:
    """Sentences about what is not the same in all runs."""
    if len(clocks(one.run for one in runs)) > 1:
        yield (
            "times are not compared: those of scripts are their tools' own, the others perfrun's "
            "(summary.clock)"
        )
    yield from _plans(runs)
    yield from _places(runs)


def _plans(runs: Sequence[Reported]) -> Iterator[str]:
    first = runs[0]
    unknown = []
    runs_with: dict[str, list[str]] = {}
    for other in runs[1:]:
        name = other.run.metadata.name
        if first.result is not None and other.result is not None:
            found = _described(_measured(first.result.plan), _measured(other.result.plan))
            if found:
                runs_with.setdefault(found, []).append(name)
            continue
        mine, its = first.run.status.comparison_key, other.run.status.comparison_key
        if mine is None or its is None:
            unknown.append(name)
        elif mine != its:
            found = "their comparison keys differ; their plans are not available to show where"
            runs_with.setdefault(found, []).append(name)
    head = first.run.metadata.name
    for found, who in runs_with.items():
        yield (
            f"{head} and {names(who)} do not measure the same, which may explain differences: "
            f"{found}"
        )
    if unknown:
        yield (
            f"it is unknown whether {names(unknown)} measured the same as {head}: their plans "
            "are not available (perfrun run --result keeps them)"
        )


def _places(runs: Sequence[Reported]) -> Iterator[str]:
    first = runs[0]
    mine = _place(first)
    runs_with: dict[str, list[str]] = {}
    for other in runs[1:]:
        its = _place(other)
        if mine and its and (found := _described(mine, its)):
            runs_with.setdefault(found, []).append(other.run.metadata.name)
    for found, who in runs_with.items():
        yield (
            f"{first.run.metadata.name} and {names(who)} did not run in the same environment, "
            f"which may explain differences: {found}"
        )


def _place(reported: Reported) -> Flat:
    """The environment of a run, as far as it is known."""
    environment = reported.run.status.environment
    if environment is not None:
        return fingerprint(environment)
    result = reported.result
    if result is None or result.report is None:
        return {}
    return {"machine": "; ".join(sorted(result.report.generator.machines))}


def _measured(plan: RunPlan) -> Flat:
    """What in a plan affects its figures, by path."""
    dumped = plan.model_dump(mode="json", by_alias=True, exclude_none=True, include=set(MEASURED))
    flat = dict(_leaves(dumped, ""))
    return {path: text for path, text in flat.items() if not path.startswith(_NOT_MEASURED)}


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{index}]")
    else:
        yield path, str(value)


def _described(mine: Flat, its: Flat) -> str:
    """The differences, in words; empty if there are none."""
    paths = [path for path in {**mine, **its} if mine.get(path) != its.get(path)]
    words = [_difference(path, mine.get(path), its.get(path)) for path in paths[:_MAX_NAMED]]
    more = [f"and {len(paths) - _MAX_NAMED} more"] if len(paths) > _MAX_NAMED else []
    return "; ".join([*words, *more])


def _difference(path: str, mine: str | None, its: str | None) -> str:
    if any(part in path for part in _UNSAID):
        return f"{path} differs"
    return f"{path} is {_short(mine)} and {_short(its)}"


def _short(text: str | None) -> str:
    if text is None:
        return "absent"
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"


def names(who: Sequence[str]) -> str:
    """At most three of them."""
    shown = ", ".join(who[:3])
    return f"{shown} and {len(who) - 3} more" if len(who) > 3 else shown
