"""When a run is suspect, when a change is confirmed, and what the baseline is then."""

import json
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfrun.api.test.metric import METRICS, Metric, Notation
from perfrun.logic.trend.detect import (
    TrendRules,
    accept,
    advance,
    confirmations_left,
    levels,
    shown,
)
from perfrun.logic.trend.sentences import describe
from perfrun.measure.trend import MAX_METRICS, MAX_POINTS, History, Point, Shift, Stage

RULES = TrendRules()
MS = 1e6
USUAL = [50.0, 50.4, 49.7, 50.2, 49.9, 50.1, 50.3, 49.8, 50.0, 50.2, 49.9, 50.1]
METRIC = "latency.p95"


def completed(number: int) -> str:
    return f"2026-11-01T00:00:00.{number:06}Z"


def point(number: int, ms: float, **more: float) -> Point:
    values = {METRIC: ms * MS, **more}
    return Point(run=f"run-{number}", completed=completed(number), values=values)


def after(values: Sequence[float], history: History | None = None, start: int = 0) -> History:
    history = history or History(key="k")
    for number, ms in enumerate(values, start):
        history = advance(history, point(number, ms), RULES)
    return history


def test_a_change_is_told_with_the_cpu_of_the_target() -> None:
    slow = point(12, 60.0).model_copy(update={"cpu": {"api": "98% of its limit"}})
    said = describe(advance(after(USUAL), slow, RULES), RULES)
    assert said.state == "Suspect"
    assert "; CPU of api 98% of its limit;" in said.message


def states(history: History) -> list[str]:
    return [passage.state for passage in history.passages]


def test_nine_runs_are_too_few_to_compare_with() -> None:
    history = after([*USUAL[:9], 500.0])
    assert history.stage is Stage.SETTLED
    assert describe(history, RULES).state == "Stable"
    assert describe(after(USUAL[:9]), RULES).message == "9 of the 10 runs that a baseline needs"


def test_ten_percent_slower_is_suspect_and_after_three_runs_regressed() -> None:
    history = after([*USUAL, 55.0])
    assert (history.stage, confirmations_left(history, RULES)) == (Stage.SUSPECT, 3)
    said = describe(history, RULES)
    assert (said.state, said.change, said.runs, said.confirming) == (
        "Suspect", "+10%", ["run-12"], 3
    )  # fmt: skip
    history = after([55.2, 54.9], history, 13)
    assert confirmations_left(history, RULES) == 1
    history = after([55.1], history, 15)
    said = describe(history, RULES)
    assert (said.state, said.change, said.metric) == ("Regressed", "+10%", METRIC)
    assert "55.1ms, usually 50ms (12 runs), since run-12" in said.message
    assert states(history) == ["Suspect", "Regressed"]


def test_what_fresh_runs_do_not_show_was_chance() -> None:
    history = after([*USUAL, 56.0, 50.1, 55.0, 49.9])
    assert states(history) == ["Suspect", "Stable"]
    assert len(history.baseline) == len(USUAL) + 4
    assert describe(history, RULES).state == "Stable"


def test_a_change_within_tolerance_is_none_however_sure() -> None:
    assert after([*USUAL, 52.4]).stage is Stage.SETTLED
    assert after([*USUAL, 52.8]).stage is Stage.SUSPECT


def test_a_regression_keeps_the_old_baseline_until_runs_are_back() -> None:
    history = after([*USUAL, 55.0, 55.2, 54.9, 55.1, *[55.0] * 100])
    assert (history.stage, len(history.baseline)) == (Stage.REGRESSED, len(USUAL))
    history = after([50.0, 50.2, 55.0, 50.1, 50.0], history, 200)
    assert history.stage is Stage.REGRESSED
    history = after([50.1], history, 210)
    assert states(history) == ["Suspect", "Regressed", "Recovered"]
    assert len(history.baseline) == len(USUAL) + 3
    assert describe(history, RULES).state == "Recovered"
    assert describe(after([50.0] * 10, history, 220), RULES).state == "Stable"


def test_passages_carry_what_is_usual_and_what_is_now() -> None:
    history = after([*USUAL, 55.0, 55.2, 54.9, 55.1, 50.0, 50.4, 50.2])
    _, regressed, recovered = history.passages
    assert [change.model_dump() for change in regressed.changes] == [
        {"metric": METRIC, "usual": "50ms", "now": "55.1ms", "change": "+10%"}
    ]
    assert regressed.sentence.startswith("latency.p95 is 10% higher (55.1ms, usually 50ms), since")
    assert [change.model_dump() for change in recovered.changes] == [
        {"metric": METRIC, "usual": "50ms", "now": "50.2ms", "change": "+0.3%"}
    ]
    assert recovered.sentence.startswith("latency.p95 is back (50.2ms, usually 50ms): 3 runs")


def test_an_accepted_level_is_the_new_baseline() -> None:
    history = after([*USUAL, 55.0, 55.2, 54.9, 55.1, 55.0])
    taken = accept(history, "run-12")
    assert taken is not None
    assert [p.run for p in taken.baseline] == [f"run-{n}" for n in range(12, 17)]
    assert describe(taken, RULES).state == "Collecting"
    assert describe(after([55.0] * 6, taken, 17), RULES).state == "Stable"


def test_a_level_of_a_run_that_is_not_there_is_not_accepted() -> None:
    assert accept(after(USUAL), "run-99") is None


def test_faster_runs_are_improved_and_start_a_new_baseline() -> None:
    history = after([*USUAL, 40.0])
    assert confirmations_left(history, RULES) == 0  # nobody waits for good news
    history = after([40.1, 39.9, 40.0], history, 13)
    said = describe(history, RULES)
    assert (said.state, len(history.baseline)) == ("Improved", 4)
    assert "latency.p95 is 20% lower (40ms, usually 50ms), since run-12" in said.message


def test_a_slow_run_after_a_fast_one_is_suspect_itself() -> None:
    history = after([*USUAL, 40.0, 60.0])
    assert [one.worse for one in history.shifts] == [True]
    assert history.fresh[0].run == "run-13"


def test_less_throughput_is_worse() -> None:
    history = History(key="k")
    for number in range(12):
        history = advance(history, point(number, 50, throughput=1000.0 + number % 3), RULES)
    history = advance(history, point(12, 50, throughput=900.0), RULES)
    assert [(one.metric, one.worse) for one in history.shifts] == [("throughput", True)]
    assert describe(history, RULES).change == "-10%"


def test_a_metric_that_is_not_always_there_is_compared_where_it_is() -> None:
    history = History(key="k")
    for number in range(20):
        more = {"latency.p99": 90 * MS} if number % 2 else {}
        history = advance(history, point(number, 50, **more), RULES)
    assert {level.metric for level in levels(history)} == {METRIC, "latency.p99"}
    assert {level.metric for level in levels(history, [METRIC])} == {METRIC}


def test_a_pinned_run_is_what_others_are_held_against() -> None:
    history = after(USUAL).model_copy(update={"pinned": point(900, 45.0)})
    history = after([50.0], history, 20)
    assert history.stage is Stage.SUSPECT
    history = after([50.1, 49.9, 50.2], history, 21)
    assert history.stage is Stage.REGRESSED
    assert describe(history, RULES).change == "+11%"


def test_what_is_pinned_is_not_improved() -> None:
    history = after(USUAL).model_copy(update={"pinned": point(900, 50.0)})
    assert after([30.0] * 5, history, 20).stage is Stage.SETTLED


def test_more_metrics_ask_for_more_of_each() -> None:
    one = levels(after(USUAL))[0]
    history = History(key="k")
    for number, ms in enumerate(USUAL):
        history = advance(history, point(number, ms, **{"latency.p50": ms * MS}), RULES)
    both = next(level for level in levels(history) if level.metric == METRIC)
    assert both.noticed > one.noticed


def test_runs_of_another_environment_are_said_not_to_compare() -> None:
    old = after(USUAL).model_copy(update={"environment": {"machine": "A"}})
    new = after([60.0]).model_copy(update={"environment": {"machine": "B"}})
    said = describe(new, RULES, [old])
    assert said.state == "Incomparable"
    assert "machine was A, now B: 1 of the 10 runs" in said.message


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (Notation.DURATION, 1.5e9, "1.5s"),
        (Notation.RATE, 42.0, "42/s"),
        (Notation.BYTES, 3072.0, "3Ki"),
    ],
)
def test_a_value_is_shown_in_the_notation_of_its_metric_whichever_way_that_is_better(
    monkeypatch: pytest.MonkeyPatch, kind: Notation, value: float, text: str
) -> None:
    monkeypatch.setitem(METRICS, "swaps", Metric("swaps", kind))
    assert shown("swaps of shop", value) == text


def test_more_of_a_throughput_is_no_regression_and_less_is() -> None:
    metric = "throughput of list"

    def runs(*rates: float) -> History:
        history = History(key="k")
        for number, rate in enumerate([*USUAL, *rates]):
            history = advance(history, point(number, 50.0, **{metric: rate}), RULES)
        return history

    fewer = describe(runs(45.0, 45.1, 45.2, 45.0), RULES)
    assert (fewer.state, fewer.metric) == ("Regressed", metric)
    assert "45.1/s, usually 50/s" in fewer.message
    assert describe(runs(55.0, 55.1, 55.2, 55.0), RULES).state == "Improved"


def test_a_metric_of_another_version_is_kept_and_not_compared() -> None:
    history = History(key="k")
    for number in range(12):
        history = advance(history, point(number, 50.0, vibes=1.0 + number), RULES)
    assert [level.metric for level in levels(history)] == [METRIC]
    assert history.baseline[0].values["vibes"] == 1.0


@pytest.mark.parametrize("confirm", [3, 5])
def test_as_many_fresh_runs_as_asked_for(confirm: int) -> None:
    rules = TrendRules(confirm_runs=confirm)
    history = after(USUAL)
    for number in range(confirm):
        history = advance(history, point(20 + number, 55.0), rules)
        assert history.stage is Stage.SUSPECT
    assert advance(history, point(30, 55.0), rules).stage is Stage.REGRESSED


@given(st.lists(st.floats(1.0, 1000.0), max_size=120))
def test_no_run_is_in_it_twice_and_the_ring_is_bounded(
    values: list[float],
) -> None:
    history = History(key="k")
    for number, ms in enumerate(values):
        history = advance(history, point(number, ms), RULES)
        names = [p.run for p in (*history.baseline, *history.fresh)]
        assert len(names) == len(set(names))
        assert max(len(history.baseline), len(history.fresh)) <= MAX_POINTS
        assert history.newest == completed(number)
        assert (history.stage is Stage.SETTLED) == (not history.fresh)
        said = describe(history, RULES)
        assert said.message
    # A history is kept as text between any two runs.
    assert History.model_validate_json(history.model_dump_json()) == history


FIRST, FRESH = {"run": "r0", "completed": completed(0)}, {"run": "r1", "completed": completed(1)}
ONE = [{"metric": "latency.p95", "worse": True, "change": 0.1}]


@pytest.mark.parametrize(
    "part",
    [
        {"stage": "Suspect", "fresh": [], "shifts": ONE},
        {"stage": "Regressed", "fresh": [{**FRESH, "values": {}}], "shifts": []},
        {"stage": "Suspect", "fresh": [{**FRESH, "values": {}}] * 17, "shifts": ONE},
        {"baseline": [{**FIRST, "values": {f"latency.p95 of {n}": 1.0 for n in range(129)}}]},
        {"baseline": [{**FIRST, "values": {"latency.p95": 5e-324}}]},
        {"shifts": ONE * 129},
        {"shifts": [{**ONE[0], "change": 1e300}]},
    ],
)
def test_a_history_that_no_runs_have_made_is_refused(part: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="History"):
        History.model_validate_json(json.dumps({"key": "k", **part}))


def test_the_costliest_history_that_is_read_takes_a_moment() -> None:
    names = [f"latency.p95 of {n}" for n in range(MAX_METRICS)]
    points = [
        Point(run=f"r{n}", completed=completed(n), values=dict.fromkeys(names, 1e6 + n))
        for n in range(60)
    ]
    history = History(
        key="k",
        stage=Stage.SUSPECT,
        baseline=points,
        fresh=points[:10],
        shifts=[Shift(metric=name, worse=True, change=0.1) for name in names],
    )
    began = time.process_time()
    describe(advance(history, points[-1], TrendRules(confirm_runs=10)), TrendRules())
    assert time.process_time() - began < 2  # and in a thread; it was an hour
