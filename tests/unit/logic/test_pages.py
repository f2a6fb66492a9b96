"""Objectives on what pages are measured by."""

from typing import Any

import pytest

from perfrun.api.run.perfrun import Verdict
from perfrun.api.test.metric import MEASURES
from perfrun.logic.accept.spec import check
from perfrun.logic.verdict.outcome import RunVerdict
from perfrun.measure.histogram import Histogram
from tests.unit.logic.build import MS, judged, report, spec, step

BURST = {"burst": {"requests": 100, "concurrency": 2}}

PAGES = {
    "target": {"browser": {"url": "http://shop"}},
    "scenarios": [{"name": "visit", "steps": [{"name": "home", "browser": {"goto": "/"}}]}],
}


def visited(
    slos: list[dict[str, Any]], classed: bool = False, **measures: list[float]
) -> RunVerdict:
    """The verdict over visits with such measures: ns, or plain numbers."""
    record = step([MS] * 100, name="home", scenario="visit")
    for name, values in measures.items():
        record.measures[name] = histogram = Histogram()
        histogram.fold([round(value * MEASURES[name].scale) for value in values])
    home = {"name": "home", "browser": {"goto": "/"}, **({"class": "Page"} if classed else {})}
    parts = {**PAGES, "scenarios": [{"name": "visit", "steps": [home]}]}
    return judged(spec(BURST, slos=slos, **parts), report(record))


@pytest.mark.parametrize(
    ("slo", "measured", "verdict"),
    [
        ({"metric": "pageLoad.p75", "max": "2s"}, "1s", Verdict.PASS),
        ({"metric": "pageLoad.max", "max": "2s"}, "3s", Verdict.WARN),
        ({"metric": "pageLoad.avg", "max": "2s", "of": "home"}, "1.2s", Verdict.PASS),
        ({"metric": "consoleErrors.p75", "max": 0}, "0", Verdict.PASS),
        ({"metric": "consoleErrors.max", "max": 0}, "2", Verdict.WARN),
        ({"metric": "consoleErrors.avg", "max": "0.1"}, "0.2", Verdict.WARN),
        ({"metric": "requests.p50", "max": 1500}, "1234", Verdict.PASS),
        ({"metric": "layoutShift.p75", "max": "0.1"}, "0.0123", Verdict.PASS),
        ({"metric": "layoutShift.min", "max": 0}, "0", Verdict.PASS),
    ],
)
def test_measures_are_judged_in_their_units(
    slo: dict[str, Any], measured: str, verdict: Verdict
) -> None:
    whole = visited(
        [slo],
        pageLoad=[1e9] * 90 + [3e9] * 10,
        consoleErrors=[0.0] * 90 + [2.0] * 10,
        requests=[1234] * 100,
        layoutShift=[0] * 10 + [0.0123] * 90,
    )
    (one,) = whole.slos
    assert (one.measured, one.verdict, one.samples) == (measured, verdict, 100)


def test_what_pages_never_had_is_no_pass() -> None:
    (one,) = visited([{"metric": "largestContentfulPaint.p75", "max": "2s"}]).slos
    assert one.verdict is Verdict.INCONCLUSIVE
    assert one.message == "largestContentfulPaint.p75 has no samples: no page provided any"


def test_a_p75_needs_forty_visits() -> None:
    (one,) = visited([{"metric": "pageLoad.p75", "max": "2s"}], pageLoad=[1e9] * 39).slos
    assert (one.verdict, one.measured) == (Verdict.INCONCLUSIVE, None)
    assert one.unsupported == "needs 40 samples, but there were 39"
    assert one.unsupported in one.message


def test_the_class_brings_its_objectives_and_the_status_its_figures() -> None:
    whole = visited([], classed=True, pageLoad=[2.1e9] * 100, firstContentfulPaint=[5e8] * 100)
    verdicts = {slo.metric: slo.verdict for slo in whole.slos}
    assert verdicts == {
        "pageLoad.p75": Verdict.WARN,
        "timeToInteractive.p75": Verdict.INCONCLUSIVE,
        "firstContentfulPaint.p75": Verdict.PASS,
    }
    (home,) = whole.steps
    assert list(home.measures) == ["pageLoad", "firstContentfulPaint"]
    assert (home.measures["pageLoad"].p75, home.measures["pageLoad"].samples) == ("2.1s", 100)
    paint = home.measures["firstContentfulPaint"]
    assert paint.p95 is None
    assert [one.statistic for one in paint.unsupported or []] == ["p95"]


@pytest.mark.parametrize(
    ("load", "field"),
    [
        ({"burst": {"requests": 100, "concurrency": 11}}, "spec.load.burst.concurrency"),
        ({"closed": {"users": 11, "duration": "1m"}}, "spec.load.closed"),
        ({"open": {"rate": "2/s", "duration": "1m"}}, "spec.load.open.maxInFlight"),
    ],
)
def test_more_windows_than_a_core_can_show_are_warned_of(load: dict[str, Any], field: str) -> None:
    warned = {warning.field for warning in check(spec(load, **PAGES)).warnings}
    assert field in warned
    alone = check(spec({**load, "workers": 2}, **PAGES)).warnings
    assert (field in {warning.field for warning in alone}) == ("open" in load)
