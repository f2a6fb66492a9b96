"""Whether a test's runs have become slower or faster: one run in, a new history out.

The unit is the run: samples within one are not independent, and a test on them raises a false alarm
for every third run. The rule has two parts. A run is *suspect* if it lies outside the range that
the baseline's runs make likely (a one-sided prediction interval; its 1% is divided among all
metrics). This notifies nobody. Fresh runs then decide by the exact Mann-Whitney test and the size
of the shift.
"""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from perfrun.api.sentence import cut
from perfrun.api.test.baseline import MAX_CHANGES, MetricChange
from perfrun.api.test.metric import METRICS, Direction, direction
from perfrun.api.test.slo import format_measured
from perfrun.logic.trend.statistics import mann_whitney, robust_scale, shift, t_quantile
from perfrun.measure.trend import MAX_POINTS, History, Passage, Point, Shift, Stage

ENOUGH = 10
"""The minimum number of runs in a baseline before anything is compared with it."""
MAX_BASELINE = 30
ALPHA = 0.01
MIN_SCALE = 0.005
"""Runs are assumed to vary by at least 0.5%, because figures are rounded to three digits."""
MIN_CONFIRMING = 3
MAX_PASSAGES = 16


class TrendRules(NamedTuple):
    """How a test wants its runs compared."""

    tolerance: float = 0.05
    """Relative; smaller changes do not count."""
    confirm_runs: int = MIN_CONFIRMING


class Level(NamedTuple):
    """What runs of one metric are compared with. Everything is in logarithms; up is worse."""

    metric: str
    sample: Sequence[float]
    """The newest runs of the baseline."""
    centre: float
    scale: float
    """Standard deviation of a difference between a new run and the centre."""
    quantile: float

    @property
    def noticed(self) -> float:
        """A run with at least this difference is suspect."""
        return self.scale * self.quantile

    def worse_by(self, value: float) -> float:
        """The difference of a run from the centre."""
        return coordinate(self.metric, value) - self.centre

    @property
    def usual(self) -> float:
        """The value at the centre."""
        return math.exp(-self.centre if _falls(self.metric) else self.centre)


def advance(history: History, point: Point, rules: TrendRules) -> History:
    """The history with one more run, which is newer than all others in it."""
    match history.stage:
        case Stage.SETTLED:
            return _settled(history, point, rules)
        case Stage.SUSPECT:
            return _suspected(history, point, rules)
        case Stage.REGRESSED:
            return _regressed(history, point, rules)


def accept(history: History, run: str) -> History | None:
    """The history after a user has accepted the level since ``run``. None if that run is
    not in it.
    """
    points = [*history.baseline, *history.fresh]
    found = next((index for index, point in enumerate(points) if point.run == run), None)
    if found is None:
        return None
    return history.model_copy(
        update={
            "stage": Stage.SETTLED,
            "baseline": points[found:][-MAX_POINTS:],
            "fresh": [],
            "shifts": [],
            "settled": "",
            "since": points[found].completed,
        }
    )


def levels(history: History, metrics: Sequence[str] | None = None) -> list[Level]:
    """What can be compared: metrics for which the baseline has enough runs.

    Metrics that only another version of the operator knows are left out. ``metrics`` are those of
    the run that is compared; the 1% is divided among the rest.
    """
    pin = history.pinned
    samples: dict[str, list[float]] = {}
    for point in history.baseline:
        for metric, value in point.values.items():
            samples.setdefault(metric, []).append(coordinate(metric, value))
    wanted = [
        metric
        for metric, sample in samples.items()
        if len(sample) >= ENOUGH
        and _bare(metric) in METRICS
        and (metrics is None or metric in metrics)
        and (pin is None or metric in pin.values)
    ]
    return [_level(metric, samples[metric], len(wanted), pin) for metric in wanted]


def coordinate(metric: str, value: float) -> float:
    """The logarithm of a value, with the sign chosen so that up is worse."""
    return -math.log(value) if _falls(metric) else math.log(value)


def change(metric: str, worse_by: float) -> float:
    """A difference of coordinates as a relative change of the value: 0.07 is 7% more."""
    return math.expm1(-worse_by if _falls(metric) else worse_by)


def smallest_change(level: Level, tolerance: float) -> float:
    """The smallest relative change for the worse that would make a single run suspect."""
    return max(abs(change(level.metric, level.noticed)), tolerance)


def shown(metric: str, value: float) -> str:
    """A value with its unit. ``metric`` may include what it is about: ``latency.p95 of list``."""
    return format_measured(_bare(metric), value, [])


def confirmations_left(history: History, rules: TrendRules) -> int:
    """How many runs are still needed to know whether a suspicion for the worse is true."""
    if history.stage is not Stage.SUSPECT or not any(one.worse for one in history.shifts):
        return 0
    return max(0, rules.confirm_runs - (len(history.fresh) - 1))


# --- the stages ---------------------------------------------------------------------------------


def _settled(history: History, point: Point, rules: TrendRules) -> History:
    worse = _outside(history, point, rules, worse=True)
    # A pinned run is a limit, so a run that is better is not news.
    better = [] if history.pinned else _outside(history, point, rules, worse=False)
    if not worse and not better:
        return _joined(history, [point])
    shifts = worse or better
    changes = _changes(history, shifts)
    found = f"{_sentence(changes, len(shifts))} in {point.run}"
    sentence = f"{found}; {rules.confirm_runs} fresh runs will show whether it persists"
    return _passed(
        history,
        "Suspect",
        point,
        sentence,
        changes,
        stage=Stage.SUSPECT,
        fresh=[point],
        shifts=shifts,
    )


def _suspected(history: History, point: Point, rules: TrendRules) -> History:
    if not any(one.worse for one in history.shifts) and _outside(history, point, rules, worse=True):
        # The suspicion was for the better; that is over, and this one begins anew.
        return _settled(_calmed(history, point), point, rules)
    fresh = [*history.fresh, point]
    if len(fresh) - 1 < rules.confirm_runs:
        return history.model_copy(update={"fresh": fresh})
    known = {level.metric: level for level in levels(history)}
    pinned = history.pinned is not None
    confirmed = [
        found
        for one in history.shifts
        if one.metric in known
        and (found := _confirmed(known[one.metric], one, fresh[1:], rules, pinned=pinned))
    ]
    history = history.model_copy(update={"fresh": fresh})
    if not confirmed:
        return _calmed(history, point, fresh)
    since = fresh[0]
    proof = f"since {since.run}; {len(fresh) - 1} fresh runs confirm it"
    changes = _changes(history, confirmed)
    sentence = f"{_sentence(changes, len(confirmed))}, {proof}"
    if any(one.worse for one in confirmed):
        return _passed(
            history, "Regressed", point, sentence, changes, stage=Stage.REGRESSED, shifts=confirmed
        )
    return _passed(
        history,
        "Improved",
        point,
        sentence,
        changes,
        stage=Stage.SETTLED,
        baseline=fresh,
        fresh=[],
        shifts=confirmed,
        settled="Improved",
        settled_runs=0,
    )


def _regressed(history: History, point: Point, rules: TrendRules) -> History:
    fresh = [*history.fresh, point][-MAX_POINTS:]
    history = history.model_copy(update={"fresh": fresh})
    last = fresh[-rules.confirm_runs :]
    by_metric = {level.metric: level for level in levels(history)}
    back = all(
        one.metric in by_metric
        and one.metric in each.values
        and not _beyond(
            one.metric, by_metric[one.metric].worse_by(each.values[one.metric]), rules, worse=True
        )
        for one in history.shifts
        for each in last
    )
    if not back:
        return history
    changes = _changes(
        history,
        [
            one.model_copy(update={"change": middle / by_metric[one.metric].usual - 1})
            for one in history.shifts
            for middle in [statistics.median(each.values[one.metric] for each in last)]
        ],
    )
    names = " and ".join(f"{one.metric} is back ({_figures(one)})" for one in changes)
    sentence = f"{names}: {len(last)} runs in a row are within tolerance of the baseline"
    return _passed(
        history,
        "Recovered",
        point,
        sentence,
        changes,
        stage=Stage.SETTLED,
        baseline=[*history.baseline, *last][-MAX_POINTS:],
        fresh=[],
        shifts=[],
        settled="Recovered",
        settled_runs=0,
    )


def _calmed(history: History, point: Point, fresh: Sequence[Point] | None = None) -> History:
    """The suspicion was chance: its runs belong to the baseline like all others."""
    under = history.fresh if fresh is None else fresh
    sentence = f"{' and '.join(one.metric for one in history.shifts)}: fresh runs do not confirm it"
    history = _passed(
        history, "Stable", point, sentence, [], stage=Stage.SETTLED, fresh=[], shifts=[]
    )
    return _joined(history, under)


def _joined(history: History, points: Sequence[Point]) -> History:
    baseline = [*history.baseline, *points][-MAX_POINTS:]
    settled, runs = history.settled, history.settled_runs + len(points)
    update = {"baseline": baseline, "settled_runs": runs}
    if settled and runs >= ENOUGH:
        update |= {"settled": "", "shifts": [], "since": points[-1].completed}
    if not history.since:
        update["since"] = points[0].completed
    return history.model_copy(update=update)


def _passed(
    history: History,
    state: str,
    point: Point,
    sentence: str,
    changes: Sequence[MetricChange],
    **update: object,
) -> History:
    passage = Passage.model_validate(
        {
            "state": state,
            "run": point.run,
            "completed": point.completed,
            "sentence": cut(sentence),
            "changes": list(changes),
        }
    )
    passages = [*history.passages, passage][-MAX_PASSAGES:]
    return history.model_copy(update={**update, "since": point.completed, "passages": passages})


# --- the rules ----------------------------------------------------------------------------------


def _level(metric: str, sample: Sequence[float], shared: int, pin: Point | None) -> Level:
    sample = sample[-MAX_BASELINE:]
    n = len(sample)
    ordered = sorted(sample)
    median = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    spread = max(robust_scale(sample), MIN_SCALE)
    quantile = t_quantile(1 - ALPHA / shared, n - 1)
    if pin is not None:
        # One run against one run: both vary.
        return Level(
            metric, sample, coordinate(metric, pin.values[metric]), spread * 2**0.5, quantile
        )
    # The variance of a median of n is that of one value times pi / 2n.
    return Level(metric, sample, median, spread * math.sqrt(1 + math.pi / (2 * n)), quantile)


def _outside(history: History, point: Point, rules: TrendRules, *, worse: bool) -> list[Shift]:
    """The metrics of a run that are unusual in one direction."""
    found = []
    for level in levels(history, list(point.values)):
        by = level.worse_by(point.values[level.metric])
        unusual = by > level.noticed if worse else -by > level.noticed
        if unusual and _beyond(level.metric, by, rules, worse=worse):
            found.append(Shift(metric=level.metric, worse=worse, change=change(level.metric, by)))
    return found


def _confirmed(
    level: Level, suspected: Shift, fresh: Sequence[Point], rules: TrendRules, *, pinned: bool
) -> Shift | None:
    """What fresh runs say about a suspicion; the suspect itself does not count, because it was
    selected.
    """
    metric = suspected.metric
    values = [point.values[metric] for point in fresh if metric in point.values]
    if len(values) < MIN_CONFIRMING:
        return None
    new = [coordinate(metric, value) for value in values]
    if pinned:
        by = sorted(y - level.centre for y in new)[len(new) // 2]
        above = all(y - level.centre > level.noticed for y in new)
        beyond = all(_beyond(metric, y - level.centre, rules, worse=True) for y in new)
        shows = above and beyond
    else:
        by = shift(new, level.sample)
        turn = 1 if suspected.worse else -1
        p = mann_whitney([turn * y for y in new], [turn * y for y in level.sample])
        shows = p <= ALPHA and _beyond(metric, by, rules, worse=suspected.worse)
    if not shows:
        return None
    return Shift(metric=metric, worse=suspected.worse, change=change(metric, by))


def _beyond(metric: str, worse_by: float, rules: TrendRules, *, worse: bool) -> bool:
    return (worse_by > 0) is worse and abs(change(metric, worse_by)) > rules.tolerance


def _falls(metric: str) -> bool:
    return direction(_bare(metric)) is Direction.HIGHER


def _bare(metric: str) -> str:
    return metric.partition(" ")[0]


def _changes(history: History, shifts: Sequence[Shift]) -> list[MetricChange]:
    """The greatest first, with the usual values."""
    usual = {level.metric: level.usual for level in levels(history)}
    ordered = sorted(shifts, key=lambda one: -abs(one.change))
    return [
        MetricChange(
            metric=one.metric,
            usual=shown(one.metric, usual[one.metric]),
            now=shown(one.metric, usual[one.metric] * (1 + one.change)),
            change=signed(one.change),
        )
        for one in ordered[:MAX_CHANGES]
    ]


def _sentence(changes: Sequence[MetricChange], count: int) -> str:
    """``latency.p95 is 10% higher (55.4ms, usually 50.4ms)``, for the first three of ``count``."""
    words = [
        f"{one.metric} is {one.change[1:]} {'lower' if one.change[0] == '-' else 'higher'} "
        f"({_figures(one)})"
        for one in changes[:3]
    ]
    more = f" and {count - 3} more" if count > 3 else ""
    return ", ".join(words) + more


def _figures(one: MetricChange) -> str:
    return f"{one.now}, usually {one.usual}"


def signed(ratio: float) -> str:
    """``+7.2%``, ``-12%``."""
    return f"{'-' if ratio < 0 else '+'}{percent(abs(ratio))}"


def percent(ratio: float) -> str:
    """A change for people: ``7%``, ``0.8%``."""
    return f"{ratio * 100:.0f}%" if ratio >= 0.095 else f"{ratio * 100:.1f}%"
