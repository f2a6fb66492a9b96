"""Runs in, a :class:`~perfrun.logic.comparison.model.Comparison` out."""

from collections.abc import Iterator, Sequence

from perfrun.api.run.perfrun import Verdict
from perfrun.api.test.metric import Notation
from perfrun.logic.comparison.contrast import change_between, standing_out, statistics_of
from perfrun.logic.comparison.differences import Doubt, doubt_about, names, warnings_about
from perfrun.logic.comparison.groups import ALPHA, least_runs
from perfrun.logic.comparison.measurables import Measurable, measurables
from perfrun.logic.comparison.model import (
    NO_FIGURE,
    Cell,
    Comparison,
    Group,
    Reported,
    Row,
    RunColumn,
    Shown,
    Statistics,
    Tone,
)
from perfrun.logic.trend.detect import Level, levels
from perfrun.measure.trend import History, Point

MAX_RUNS = 60
"""With more runs no table is readable, and no exact test is fast enough."""
_MAX_SHOWN = 6


def compare(
    baseline: Sequence[Reported], compared: Sequence[Reported], *, doubtful: bool = False
) -> Comparison:
    """Compare runs with those of a baseline; at least one each.

    One run against one gives differences only. As soon as one side has several runs, both are
    groups. With ``doubtful``, runs whose load generator was at fault count too. Raises ValueError
    for too many runs, and for one that is given twice.
    """
    grouped = len(baseline) + len(compared) > 2
    return _comparison(baseline, compared, grouped=grouped, doubtful=doubtful)


def line_up(runs: Sequence[Reported]) -> Comparison:
    """Compare each of at least two runs with the first.

    Raises ValueError as :func:`compare`.
    """
    return _comparison(runs[:1], runs[1:], grouped=False, doubtful=True)


def _comparison(
    baseline: Sequence[Reported], compared: Sequence[Reported], *, grouped: bool, doubtful: bool
) -> Comparison:
    runs = [*baseline, *compared]
    if len(runs) > MAX_RUNS:
        raise ValueError(
            f"{len(runs)} runs cannot be compared at once: at most {MAX_RUNS} are allowed"
        )
    _refuse_twice(runs)
    doubts = [doubt_about(one) for one in runs]
    columns = [
        _column(one, Group.BASELINE if index < len(baseline) else Group.COMPARED, doubt, doubtful)
        for index, (one, doubt) in enumerate(zip(runs, doubts, strict=True))
    ]
    found = measurables([one.run for one in runs])
    if grouped:
        spread = _spread(found, columns)
        rows = [_row(one, columns, _statistics(one, columns, spread)) for one in found]
    else:
        rows = [_row(one, columns, None, first=one.value(0)) for one in found]
    conclude = _about_groups if grouped else _about_differences
    tests = dict.fromkeys(column.test for column in columns)
    return Comparison(
        title=" and ".join(tests),
        grouped=grouped,
        columns=tuple(columns),
        rows=tuple(rows),
        warnings=(*warnings_about(runs), *_doubts(columns, doubts, grouped=grouped)),
        conclusion=tuple(conclude(rows, columns)),
    )


def _refuse_twice(runs: Sequence[Reported]) -> None:
    """A run that counts twice would create evidence from nothing."""
    seen = set()
    for one in runs:
        metadata = one.run.metadata
        identity = metadata.uid or (metadata.namespace, metadata.name)
        if identity in seen:
            raise ValueError(f"{metadata.name} is given twice: each run counts once")
        seen.add(identity)


def _column(reported: Reported, group: Group, doubt: Doubt | None, doubtful: bool) -> RunColumn:
    run = reported.run
    return RunColumn(
        name=run.metadata.name,
        test=run.test,
        group=group,
        verdict=run.status.verdict,
        started=run.status.start_time,
        doubt=doubt.text if doubt else None,
        counted=doubt is None or (doubtful and doubt.by_generator),
    )


def _doubts(
    columns: Sequence[RunColumn], doubts: Sequence[Doubt | None], *, grouped: bool
) -> Iterator[str]:
    """Each reason once, with the runs that it applies to."""
    runs_with: dict[tuple[Doubt, bool], list[str]] = {}
    for column, doubt in zip(columns, doubts, strict=True):
        if doubt is not None:
            left_out = grouped and not column.counted
            runs_with.setdefault((doubt, left_out), []).append(column.name)
    for (doubt, left_out), who in runs_with.items():
        meaning = "this may explain differences"
        if left_out:
            more = "; --doubtful includes such runs" if doubt.by_generator else ""
            meaning = f"left out of the statistics{more}"
        yield f"{names(who)} {doubt.text}: {meaning}"


def _row(
    of: Measurable,
    columns: Sequence[RunColumn],
    statistics: Statistics | None,
    first: float | None = None,
) -> Row:
    values = [of.value(index) for index in range(len(columns))]
    cells = [
        Cell(
            text=of.texts.get(index, NO_FIGURE),
            value=value,
            change=change_between(of, first, value)
            if index and first is not None and value is not None
            else None,
        )
        for index, value in enumerate(values)
    ]
    return Row(
        name=of.name,
        metric=of.metric,
        of=of.of,
        kind=of.kind,
        direction=of.direction,
        objective=of.objective,
        cells=tuple(cells),
        statistics=statistics,
    )


def _side(of: Measurable, columns: Sequence[RunColumn], group: Group) -> dict[int, float]:
    """The values that go into the statistics, by the number of their run."""
    return {
        index: value
        for index, column in enumerate(columns)
        if column.group is group and column.counted and (value := of.value(index)) is not None
    }


def _statistics(
    of: Measurable, columns: Sequence[RunColumn], spread: dict[str, Level]
) -> Statistics | None:
    baseline, compared = (list(_side(of, columns, group).values()) for group in Group)
    if not baseline or not compared:
        return None
    if of.name in spread:
        return standing_out(of, baseline, compared[0], spread[of.name])
    return statistics_of(of, baseline, compared)


def _spread(found: Sequence[Measurable], columns: Sequence[RunColumn]) -> dict[str, Level]:
    """How much ten or more runs of the baseline vary, if a single run is compared with them.

    No rank test can show anything about one run, but its distance from the others can.
    """
    if sum(one.group is Group.COMPARED and one.counted for one in columns) != 1:
        return {}
    points: list[dict[str, float]] = [{} for _ in columns]
    single = []
    for one in found:
        compared = _side(one, columns, Group.COMPARED).values()
        baseline = _side(one, columns, Group.BASELINE)
        if one.kind in (Notation.DURATION, Notation.RATE) and all(v > 0 for v in compared):
            single.append(one.name)
            for index, value in baseline.items():
                if value > 0:
                    points[index][one.name] = value
    history = History(
        key="",
        baseline=[Point(run="", completed="", values=values) for values in points if values],
    )
    return {level.metric: level for level in levels(history, single)}


def _about_differences(rows: Sequence[Row], columns: Sequence[RunColumn]) -> Iterator[str]:
    unsure = [
        column.name
        for column in columns
        if column.doubt is not None or column.verdict is Verdict.INCONCLUSIVE
    ]
    if unsure:
        noun = "is" if len(unsure) == 1 else "are"
        yield f"no change is shown: {names(unsure)} {noun} inconclusive or in doubt"
    else:
        yield "no change is shown: one run of each does not show how much runs vary"
    if len(columns) == 2:
        changes = [(row.name, row.cells[1].change) for row in rows]
        notable = [
            f"{name} {change.text}"
            for name, change in changes
            if change is not None and change.tone in (Tone.BETTER, Tone.WORSE)
        ]
        more = f" and {len(notable) - _MAX_SHOWN} more" if len(notable) > _MAX_SHOWN else ""
        if notable:
            yield f"the second run measured: {', '.join(notable[:_MAX_SHOWN])}{more}"
        else:
            yield "both runs measured the same"
    yield (
        f"{least_runs()} runs on each side are enough to show a change: "
        "perfrun compare NEW... --against OLD..."
    )


def _about_groups(rows: Sequence[Row], columns: Sequence[RunColumn]) -> Iterator[str]:
    known = [row.statistics for row in rows if row.statistics is not None]
    baseline, compared = (
        sum(column.group is group and column.counted for column in columns) for group in Group
    )
    count = f"{compared} {'run' if compared == 1 else 'runs'} against {baseline}"
    if not known:
        left_out = sum(not column.counted for column in columns)
        why = (
            f"{left_out} left out, see below (--doubtful includes those with generator problems)"
            if left_out
            else "no metric was measured on both sides"
        )
        yield f"{count}: {why}; nothing was compared"
        return
    able = [one for one in known if one.shown is not Shown.TOO_FEW]
    if not able:
        yield (
            f"{count}: too few to distinguish any change from chance; use {least_runs()} on "
            "each side, or one against ten"
        )
        return
    different = [one for one in able if one.shown is Shown.DIFFERENT]
    if not different:
        yield f"{count}: none of {len(able)} metrics shows a change"
    for tone in (Tone.WORSE, Tone.BETTER, Tone.NEUTRAL):
        yield from (one.sentence for one in different if one.change.tone is tone)
    yield _how(able)


def _how(able: Sequence[Statistics]) -> str:
    if all(one.p is None for one in able):
        return (
            "the unit is the run: a value stands out if it is outside of the likely range of "
            f"the baseline (1% on each side, divided by {len(able)} metrics)"
        )
    return (
        f"the unit is the run (exact two-sided Mann-Whitney test, {ALPHA:.0%} for each "
        f"metric): if nothing has changed, at least one of these {len(able)} metrics shows a "
        f"change in at most {min(len(able) * ALPHA, 1):.0%} of such comparisons"
    )
