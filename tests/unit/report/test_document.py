"""The objects that keep a local run are those that a cluster would hold."""

from datetime import UTC, datetime, timedelta

from perfrun.api.run.perfrun import PerfRun, Verdict, WorkerCounts
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.logic.verdict.outcome import errored
from perfrun.measure.result import RunResult
from perfrun.report.document import RunTimes, local_run, result_document, run_object
from tests.unit.coordinator.conftest import make_plan, make_report

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
TIMES = RunTimes(NOW, NOW + timedelta(seconds=1), NOW + timedelta(seconds=9))


def a_run(**more) -> PerfRun:
    run_verdict = errored("shop refuses connections", WorkerCounts(planned=2))
    return local_run(make_plan(2), run_verdict, TIMES, **more)


def test_the_object_is_read_back_as_the_same_run():
    run = a_run(report=make_report(), stopped="by Ctrl-C")
    written = run_object(run)
    assert (written["apiVersion"], written["kind"]) == ("perfrun.dev/v1alpha1", "PerfRun")
    assert PerfRun.model_validate(written) == run


def test_it_says_when_and_what():
    status = a_run(report=make_report()).status
    assert status.verdict is Verdict.ERROR
    assert status.start_time == "2026-11-22T02:00:01Z"
    assert status.load_end_time == "2026-11-22T02:00:02Z"
    assert status.completion_time == "2026-11-22T02:00:09.000000Z"
    assert [condition.type for condition in status.conditions] == ["Complete", "SLOMet", "Stalled"]


def test_a_load_that_never_began_has_no_times_of_it():
    run = local_run(make_plan(), errored("no", WorkerCounts(planned=2)), RunTimes(NOW, None, NOW))
    assert run.status.start_time is None
    assert "loadEndTime" not in run_object(run)["status"]


def test_the_result_document_holds_plan_objectives_report_and_status():
    spec = PerfTestSpec.model_validate(
        {
            "target": {"http": {"url": "http://127.0.0.1:1/"}},
            "load": {"burst": {"requests": 1, "concurrency": 1}},
            "slos": [{"metric": "latency.p95", "max": "500ms", "onBreach": "Fail"}],
        }
    )
    report = make_report()
    document = result_document(make_plan(2), spec, a_run(report=report), report)
    assert document.slos == [
        {"metric": "latency.p95", "of": "", "max": "500ms", "onBreach": "Fail"}
    ]
    assert RunResult.unpack(document.pack()) == document
