"""A report is held against its plan before its histograms are made."""

import gzip
import json
from typing import Any

import pytest

from perfrun.api.test.perftest import PerfTestSpec
from perfrun.logic.plan.run_plan import make_plan
from perfrun.measure import report as module
from perfrun.measure.histogram import Histogram
from perfrun.measure.picture import Picture
from perfrun.measure.record import (
    GeneratorRecord,
    Outcome,
    PhaseRecord,
    ScenarioRecord,
    StepRecord,
    Timing,
)
from perfrun.measure.report import WorkerReport, add_report
from perfrun.measure.series import MAX_POINTS, Second, Series
from perfrun.measure.sketch import Sketch

SPEC = PerfTestSpec.parse(
    {
        "target": {"http": {"url": "http://a/"}},
        "load": {"burst": {"requests": 1, "concurrency": 1}},
    }
)
PLAN = make_plan(SPEC, uid="u", namespace="n", test="t", run="r")


LATENCY = Sketch(buckets=[348], counts=[1], least=1_000_000, greatest=1_000_000)


def report() -> WorkerReport:
    """A report of one request, as a worker makes it."""
    step = StepRecord(scenario="default", step="get", sent=1, succeeded=1, attempts=1)
    step.histogram(Timing.LATENCY, Outcome.SUCCESS).fold([1_000_000])
    scenario = ScenarioRecord(scenario="default", planned=1, started=1, finished=1)
    series = Series()
    series.put(0, Second(planned=1, started=1, succeeded=1, latency=LATENCY))
    return WorkerReport(
        warmup=PhaseRecord(),
        window=PhaseRecord(steps=[step], scenarios=[scenario]),
        generator=GeneratorRecord.empty(),
        series=series,
        window_time=1,
        load_time=1,
    )


def changed(**changes: Any) -> bytes:
    """The packed report with its step changed."""
    raw = json.loads(report().to_bytes())
    raw["window"]["steps"][0] |= changes
    return gzip.compress(json.dumps(raw).encode())


def with_series(**changes: Any) -> bytes:
    """The packed report with its series changed."""
    raw = json.loads(report().to_bytes())
    raw["series"] |= changes
    return gzip.compress(json.dumps(raw).encode())


def test_a_report_of_the_plan_is_taken() -> None:
    assert WorkerReport.unpack(report().pack(), PLAN) == report()


@pytest.mark.parametrize(
    ("packed", "says"),
    [
        # A bomb: thousands of small histograms under names that nobody planned.
        (
            changed(
                timings={
                    f"x{n}": {
                        "hdr": Histogram().encode(),
                        "total": 0,
                        "least": 0,
                        "greatest": 0,
                        "clamped": 0,
                    }
                    for n in range(3000)
                }
            ),
            "timings",
        ),
        (changed(step="other"), "not in its plan"),
        (changed(scenario=["default"]), "not in the expected format"),
        (changed(errors={f"E{n}": 1 for n in range(100)}), "too many error classes"),
        (with_series(errors={f"E{n}": [1] for n in range(65)}), "too many error classes"),
        (with_series(planned=[0] * (MAX_POINTS + 1)), "more than 600 points"),
        (with_series(errors={"Reset": [0] * (MAX_POINTS + 1)}), "more than 600 points"),
        (with_series(latency=[{"buckets": [], "counts": []}] * 601), "more than 600 points"),
        (with_series(latency=[{"buckets": [1] * 5000, "counts": [1]}]), "latency buckets"),
        (with_series(lag=[2**53 + 1]), "count above"),
        (with_series(latency=[{"buckets": [1], "counts": [2**60]}]), "count above"),
        (with_series(latency=[{"buckets": [1]}]), "not in the expected format"),
        (with_series(latency=7), "not in the expected format"),
        (with_series(errors=[[1]]), "not in the expected format"),
        (with_series(lag=["1"]), "not in the expected format"),
        (gzip.compress(b"[]", mtime=0), "not in the expected format"),
        (gzip.compress(b"{", mtime=0), "Expecting"),
        (b"no gzip", "not gzip data"),
    ],
)
def test_anything_else_is_refused_before_a_histogram_is_made(
    packed: bytes, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> Histogram:
        raise AssertionError("a histogram was made")

    monkeypatch.setattr(Histogram, "decode", never)
    with pytest.raises(ValueError, match=says):
        WorkerReport.unpack(packed, PLAN)


PICTURE = {"scenario": "default", "step": "get", "error": "", "took": 5, "jpeg": "/9j/"}


def with_picture(**changes: Any) -> bytes:
    """The packed report with a picture in its window."""
    raw = json.loads(report().to_bytes())
    raw["window"]["picture"] = PICTURE | changes
    return gzip.compress(json.dumps(raw).encode())


def test_a_small_picture_of_a_step_is_taken() -> None:
    taken = WorkerReport.unpack(with_picture(), PLAN).window.picture
    assert taken is not None
    assert taken.jpeg == "/9j/"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"step": "other"}, "a picture of a step that is not in its plan"),
        ({"jpeg": "/9j/" + "A" * 140_000}, "at most"),
        ({"jpeg": "<svg onload=alert(1)>"}, "not base64"),
        ({"jpeg": "PHN2Zz4="}, "not a JPEG"),
        ({"took": -1}, "greater than or equal to 0"),
    ],
)
def test_no_other_picture_is(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        WorkerReport.unpack(with_picture(**changes), PLAN)


def test_measures_that_there_are_not_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown measures"):
        WorkerReport.unpack(changed(measures={"beauty": {}}), PLAN)


@pytest.mark.parametrize(
    ("kept", "other", "left"),
    [
        (("", 5), ("", 7), ("", 7)),
        (("", 7), ("", 5), ("", 7)),
        (("", 7), ("Timeout", 1), ("Timeout", 1)),
        (("Timeout", 1), ("", 7), ("Timeout", 1)),
        (("Timeout", 1), ("Policy", 9), ("Timeout", 1)),
        (None, ("", 1), ("", 1)),
    ],
)
def test_of_two_pictures_the_worse_visit_is_kept(
    kept: tuple[str, int] | None, other: tuple[str, int], left: tuple[str, int]
) -> None:
    def phase(of: tuple[str, int] | None) -> PhaseRecord:
        if of is None:
            return PhaseRecord()
        error, took = of
        return PhaseRecord(picture=Picture.model_validate(PICTURE | {"error": error, "took": took}))

    whole = phase(kept)
    whole.add(phase(other))
    assert whole.picture is not None
    assert (whole.picture.error, whole.picture.took) == left


def of_errors(*names: str) -> WorkerReport:
    """A report whose requests failed, each with a class of its own."""
    one = report()
    step, scenario = one.window.steps[0], one.window.scenarios[0]
    step.errors, step.messages = dict.fromkeys(names, 1), dict.fromkeys(names, "why")
    step.failed = len(names)
    step.sent = step.attempts = scenario.planned = scenario.started = 1 + len(names)
    scenario.failed = len(names)
    one.series = Series()
    new = Second(planned=1 + len(names), started=1 + len(names), succeeded=1, failed=len(names))
    new.latency, new.errors = LATENCY, dict.fromkeys(names, 1)
    one.series.put(0, new)
    return one


def test_classes_of_errors_of_many_workers_stay_within_the_bound_and_add_up() -> None:
    whole = of_errors(*(f"A{n}" for n in range(60)))
    whole.add(of_errors(*(f"B{n}" for n in range(60))))
    whole.check()
    step = whole.window.steps[0]
    assert len(step.errors) <= 64
    assert step.errors["A7"] == 1
    assert step.errors["Other"] == whole.series.errors["Other"][0] == 120 - len(step.errors) + 1
    assert WorkerReport.unpack(whole.pack()) == whole


def test_counts_that_add_up_to_more_than_can_be_counted_are_refused() -> None:
    one, other = report(), report()
    one.window.steps[0].attempts = other.window.steps[0].attempts = 2**53
    with pytest.raises(ValueError, match="attempts adds up to"):
        add_report(one, other)


def test_histograms_of_all_workers_have_a_bound_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MERGED_ROOM", 1000)
    with pytest.raises(ValueError, match="test fewer steps at once"):
        add_report(report(), report())
