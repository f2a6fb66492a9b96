"""What a user reads about a trend: one state, one sentence, and the figures in it."""

from collections.abc import Iterable, Sequence

from perfrun.api.sentence import cut
from perfrun.api.test.baseline import MAX_RUNS_NAMED, LeftOut, TrendState, TrendStatus
from perfrun.api.test.metric import METRICS
from perfrun.logic.trend.detect import (
    ENOUGH,
    Level,
    TrendRules,
    change,
    confirmations_left,
    levels,
    percent,
    shown,
    signed,
    smallest_change,
)
from perfrun.measure.trend import History, Point, Stage

FIRST_NAMED = sorted(
    (name for name, row in METRICS.items() if row.place.trend),
    key=lambda name: METRICS[name].place.trend,
)


def describe(history: History, rules: TrendRules, others: Iterable[History] = ()) -> TrendStatus:
    """How the newest run of ``history`` compares. ``others``: histories of the same test."""
    if history.pinned is None and len(history.baseline) < ENOUGH and not history.settled:
        return _gathering(history, others)
    known = {level.metric: level for level in levels(history)}
    match history.stage:
        case Stage.SUSPECT | Stage.REGRESSED:
            return _changed(history, rules, known)
        case Stage.SETTLED if history.settled:
            last = next(
                (p.sentence for p in reversed(history.passages) if p.state == history.settled), ""
            )
            return _status(history, rules, history.settled, last, _first(known))
    if not known:
        return _gathering(history, ())
    level = _first(known)
    assert level is not None, "there is at least one level"
    least = percent(smallest_change(level, rules.tolerance))
    sentence = (
        f"{level.metric} is usually {shown(level.metric, level.usual)} ({_runs(level)}); a single "
        f"run can show a change of {least} or more"
    )
    return _status(history, rules, "Stable", sentence, level)


def with_left_out(status: TrendStatus, left: LeftOut | None) -> TrendStatus:
    """A status that also mentions the later runs that do not count."""
    if left is None:
        return status
    sentence = (
        f"run {left.last} is left out: {left.reason}"
        if left.runs == 1
        else f"{left.runs} runs in a row are left out, the last one ({left.last}) because "
        f"{left.reason}"
    )
    return status.model_copy(
        update={"message": cut(f"{status.message}; {sentence}"), "left_out": left}
    )


def _gathering(history: History, others: Iterable[History]) -> TrendStatus:
    have = len(history.baseline)
    left = f"{have} of the {ENOUGH} runs that a baseline needs"
    state: TrendState = "Collecting"
    for other in others:
        if other.key == history.key and len(other.baseline) >= ENOUGH:
            state = "Incomparable"
            left = f"{_differences(other, history)}: {left}"
            break
    return TrendStatus(
        state=state, since=history.since or None, baseline_runs=have, message=cut(left)
    )


def _changed(history: History, rules: TrendRules, known: dict[str, Level]) -> TrendStatus:
    worst = max(history.shifts, key=lambda one: abs(one.change))
    level = known.get(worst.metric)
    sentence = f"{worst.metric} {_by(worst.change)}"
    if level is not None:
        now = level.usual * (1 + worst.change)
        sentence += (
            f": {shown(level.metric, now)}, usually {shown(level.metric, level.usual)} "
            f"({_runs(level)})"
        )
    first = history.fresh[0]
    sentence += f", since {first.run}"
    if (news := _rolled_out(history.baseline, first)) is not None:
        sentence += f"; {news}"
    busy = [f"CPU of {name} {used}" for name, used in history.fresh[-1].cpu.items()]
    if busy:
        sentence += f"; {', '.join(busy)}"
    left = None
    state: TrendState = "Regressed"
    if history.stage is Stage.SUSPECT:
        state = "Suspect"
        left = confirmations_left(history, rules)
        had = len(history.fresh) - 1
        sentence += f"; {had} of {rules.confirm_runs} fresh runs that will show whether it persists"
    others = [one.metric for one in history.shifts if one is not worst]
    if others:
        sentence += f"; also {', '.join(others[:5])}"
    status = _status(history, rules, state, sentence, level)
    return status.model_copy(
        update={
            "metric": worst.metric,
            "change": signed(worst.change),
            "runs": [point.run for point in history.fresh][-MAX_RUNS_NAMED:],
            "confirming": left,
        }
    )


def _status(
    history: History, rules: TrendRules, state: TrendState, sentence: str, level: Level | None
) -> TrendStatus:
    last = history.baseline[-1] if history.baseline else None
    by = None
    if level is not None and last is not None and level.metric in last.values:
        by = signed(change(level.metric, level.worse_by(last.values[level.metric])))
    return TrendStatus(
        state=state,
        since=history.since or None,
        metric=level.metric if level else None,
        change=by,
        smallest=percent(smallest_change(level, rules.tolerance)) if level else None,
        baseline_runs=len(level.sample) if level else len(history.baseline),
        runs=[last.run] if last else [],
        message=cut(sentence),
    )


def _by(ratio: float) -> str:
    return f"is {percent(abs(ratio))} {'higher' if ratio > 0 else 'lower'}"


def _first(known: dict[str, Level]) -> Level | None:
    for metric in FIRST_NAMED:
        if metric in known:
            return known[metric]
    return next(iter(known.values()), None)


def _runs(level: Level) -> str:
    return f"{len(level.sample)} runs"


def _differences(old: History, new: History) -> str:
    names = [
        name
        for name in sorted({*old.environment, *new.environment})
        if old.environment.get(name) != new.environment.get(name)
    ]
    differences = [
        f"{name} was {old.environment.get(name, 'not known')}, now "
        f"{new.environment.get(name, 'not known')}"
        for name in names[:3]
    ]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return "earlier runs cannot be compared: " + "; ".join(differences) + more


def _rolled_out(baseline: Sequence[Point], first: Point) -> str | None:
    """Which image was new in a run, compared with the previous one."""
    if not baseline:
        return None
    before = {
        (workload.name, container): image
        for workload in baseline[-1].workloads
        for container, image in workload.images.items()
    }
    for workload in first.workloads:
        for container, image in workload.images.items():
            known = before.get((workload.name, container))
            if known is not None and known != image:
                when = f", started {workload.since}" if workload.since else ""
                return f"new in {workload.name}: {container} {image}{when}"
    return None
