"""Runs with overrides beside those of their test: what they count for, and what they do not."""

from typing import Any

import pytest

from perfrun.api.run.perfrun import PerfRun
from perfrun.controller.objects.store import Store, run_record
from perfrun.controller.test.history import Historian
from perfrun.kube.resources import PERF_RUNS
from perfrun.logic.comparison.comparable import left_out
from tests.unit.controller import build
from tests.unit.controller.fake_kube import FakeKube
from tests.unit.controller.metrics.scrape import DONE, TEST, leading, of, scrape


def body(name: str, **status: Any) -> dict[str, Any]:
    spec = {"testRef": {"name": "shop"}, "overrides": {"labels": {"pull-request": "7"}}}
    return {**build.run_body(name, **status), "spec": spec}


def run(name: str, **status: Any) -> PerfRun:
    return PerfRun.parse(body(name, **status))


def test_no_gauge_of_the_test_changes() -> None:
    store = Store(tests={TEST: "uid"})
    metrics = leading(store)
    own = build.perf_run("own", **DONE)
    store.put_run(run_record(own))
    metrics.count_run(own)
    before = scrape(metrics)

    result = {"configMaps": ["pr-a"], "sha256": "x", "bytes": 500}
    later = {**DONE, "completionTime": "2027-01-01T00:00:00Z", "result": result}
    ended = run("preview", **{**later, "verdict": "Inconclusive"})
    for one in (ended, run("under-way", phase="Running")):
        store.put_run(run_record(one))
    metrics.see_run(ended)
    metrics.count_run(ended)
    after = scrape(metrics)

    changed = {series for series in after if after[series] != before.get(series)}
    assert {name for name, _ in changed} == {
        "perfrun_override_runs_total",
        "perfrun_override_run_active",
        "perfrun_override_results_bytes",
    }
    assert after[of("perfrun_override_runs_total", verdict="Inconclusive")] == 1
    assert after[of("perfrun_override_run_active")] == 1
    assert after[of("perfrun_override_results_bytes")] == 500


@pytest.mark.parametrize("limit", [1, 3])
async def test_their_history_takes_no_place_from_the_others(limit: int) -> None:
    kube, store = FakeKube(), Store()
    for number in range(4):
        done = f"2026-11-22T02:00:{number:02}Z"
        passed = {"phase": "Done", "verdict": "Pass", "completionTime": done}
        kube.put(PERF_RUNS, build.run_body(f"own-{number}", **passed))
        kube.put(PERF_RUNS, body(f"preview-{number}", **passed))
    for one in kube.all(PERF_RUNS):
        store.put_run(run_record(PerfRun.parse(one)))
    test = build.checked_test(historyLimits={"passed": limit})
    await Historian(kube, store).trim(test)  # type: ignore[arg-type]
    left = sorted(one["metadata"]["name"] for one in kube.all(PERF_RUNS))
    kept = range(4 - limit, 4)
    assert left == sorted([f"{name}-{number}" for name in ("own", "preview") for number in kept])


def test_later_runs_are_not_compared_with_them() -> None:
    assert left_out(run("preview", phase="Done")) == "it has overrides"
