"""The objects that store a verdict: the PerfRun, and the full result document."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from perfrun.api import API_VERSION
from perfrun.api.metadata import RunMetadata
from perfrun.api.quantities import NS_PER_US
from perfrun.api.run.overrides import Overrides
from perfrun.api.run.perfrun import PerfRun, PerfRunSpec, PerfRunStatus, TestRef
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.api.times import format_time
from perfrun.logic.accept.overrides import overrides_text
from perfrun.logic.run.status import done
from perfrun.logic.verdict.outcome import RunVerdict
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import WorkerReport
from perfrun.measure.result import RunResult
from perfrun.report.figures import run_figures


@dataclass(frozen=True, slots=True)
class RunTimes:
    """When a run was created, when its load started (None: never), and when it was judged."""

    created: datetime
    start: datetime | None
    completed: datetime


def local_run(
    plan: RunPlan,
    run_verdict: RunVerdict,
    times: RunTimes,
    *,
    report: WorkerReport | None = None,
    stopped: str | None = None,
    overrides: Overrides | None = None,
) -> PerfRun:
    """The PerfRun as a cluster would have it. All times have a time zone."""
    load_end = None
    if times.start is not None and report is not None:
        load_end = times.start + timedelta(microseconds=report.load_time // NS_PER_US)
    status = PerfRunStatus(
        start_time=format_time(times.start) if times.start else None,
        load_end_time=format_time(load_end) if load_end else None,
        stopped=stopped,
        overridden=overrides_text(overrides) if overrides is not None else None,
    )
    return PerfRun(
        metadata=RunMetadata(
            name=plan.run,
            namespace=plan.namespace,
            uid=plan.uid,
            creation_timestamp=times.created,
        ),
        spec=PerfRunSpec(test_ref=TestRef(name=plan.test), overrides=overrides),
        status=status.updated(done(status, 1, times.completed, run_verdict)),
    )


def run_object(run: PerfRun) -> dict[str, Any]:
    """A PerfRun as a Kubernetes object in JSON: with its kind, without unset fields."""
    dumped = run.model_dump(mode="json", by_alias=True, exclude_none=True)
    metadata = {
        name: value for name, value in dumped["metadata"].items() if value not in ("", {}, [])
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "PerfRun",
        "metadata": metadata,
        "spec": dumped["spec"],
        "status": dumped["status"],
    }


def run_document(run: PerfRun) -> dict[str, Any]:
    """The same object for programs: with the figures of its status as numbers."""
    return {**run_object(run), "figures": _figures(run)}


def _figures(run: PerfRun) -> dict[str, Any]:
    return run_figures(run).model_dump(mode="json")


def result_document(
    plan: RunPlan, spec: PerfTestSpec, run: PerfRun, report: WorkerReport | None
) -> RunResult:
    """Everything that was measured, with the objectives and the verdict."""
    status = run.status
    return RunResult(
        plan=plan,
        slos=[slo.model_dump(mode="json", exclude_none=True) for slo in spec.slos],
        start_time=status.start_time or "",
        report=report,
        status=run_object(run)["status"],
        figures=_figures(run),
    )
