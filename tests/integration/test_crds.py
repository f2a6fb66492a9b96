"""The generated CRDs in a real API server: taken without a complaint, and keeping their word."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from perfrun.api.run.perfrun import PerfRun, PerfRunStatus, WorkerCounts
from perfrun.api.test.perftest import PerfTest
from perfrun.logic.run.status import done_conditions
from perfrun.logic.verdict.outcome import cancelled
from tests.cluster.handle import ApiServer

pytestmark = pytest.mark.patient

MINIMAL: dict[str, Any] = {
    "apiVersion": "perfrun.dev/v1alpha1",
    "kind": "PerfTest",
    "metadata": {"name": "minimal"},
    "spec": {
        "target": {"http": {"url": "http://shop:8000"}},
        "scenarios": [{"name": "main", "steps": [{"name": "get"}]}],
        "load": {"open": {"stages": [{"rate": "10/s", "hold": "5s"}]}},
        "slos": [{"metric": "errorRate", "max": "1%"}],
    },
}
RUN: dict[str, Any] = {
    "apiVersion": "perfrun.dev/v1alpha1",
    "kind": "PerfRun",
    "metadata": {"name": "minimal-1"},
    "spec": {"testRef": {"name": "minimal"}},
}
NOW = datetime(2026, 11, 22, 2, tzinfo=UTC)
# The page of the design: what a finished run says of itself.
DONE = {
    "phase": "Done",
    "verdict": "Warn",
    "message": "1 of 2 objectives missed: latency.p95 of list was 612ms, at most 500ms allowed",
    "startTime": "2026-11-22T02:00:03Z",
    "workers": {"planned": 4, "ready": 4, "reported": 4},
    "summary": {
        "window": "330s",
        "iterations": {"planned": 330000, "started": 330000, "dropped": 0},
        "requests": {"sent": 330000, "succeeded": 329800, "failed": 200, "censored": 0},
        "attempts": {"setup": 0, "warmup": 10000, "window": 330000, "teardown": 0},
        "throughput": "999.4/s",
        "transactions": "999.4/s",
        "errorRate": "0.06%",
        "latency": {"p95": "612ms", "max": "5s"},
        "errors": {"Timeout": 40, "Status5xx": 160},
    },
    "slos": [
        {
            "metric": "latency.p95",
            "of": "list",
            "max": "500ms",
            "measured": "612ms",
            "samples": 329840,
            "verdict": "Warn",
            "message": "latency.p95 of list was 612ms",
        }
    ],
    "conditions": [{"type": "Complete", "status": "True", "reason": "Finished", "message": ""}],
}


@pytest.fixture(scope="module")
def api(perfrun_api: ApiServer) -> Iterator[ApiServer]:
    perfrun_api.kubectl("create", "namespace", "crds")
    yield perfrun_api
    perfrun_api.kubectl("delete", "namespace", "crds", "--wait=false")


def _apply(api: ApiServer, document: dict[str, Any]) -> dict[str, Any]:
    done = api.kubectl(
        "--namespace=crds",
        "apply",
        "--validate=strict",
        "-o",
        "json",
        "-f",
        "-",
        input=json.dumps(document),
    )
    stored: dict[str, Any] = json.loads(done.stdout)
    return stored


def _refused(api: ApiServer, document: dict[str, Any]) -> str:
    done = api.kubectl(
        "--namespace=crds",
        "apply",
        "--validate=strict",
        "-f",
        "-",
        input=json.dumps(document),
        check=False,
    )
    assert done.returncode != 0, "the API server accepted it"
    return done.stderr


@pytest.mark.parametrize("plural", ["perftests", "perfruns"])
def test_crd_is_structural_and_serves_its_short_name(api: ApiServer, plural: str) -> None:
    crd = json.loads(api.kubectl("get", "crd", f"{plural}.perfrun.dev", "-o", "json").stdout)
    conditions = {c["type"]: c["status"] for c in crd["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert conditions["NamesAccepted"] == "True"
    assert "NonStructuralSchema" not in conditions
    listed = api.kubectl("api-resources", "--api-group=perfrun.dev", "--categories=perf")
    assert plural in listed.stdout


@pytest.mark.parametrize("singular", ["perftest", "perfrun"])
def test_kubectl_finds_one_object_by_its_kind_and_name(api: ApiServer, singular: str) -> None:
    done = api.kubectl("get", singular, "absent", check=False)
    assert f'{singular}s.perfrun.dev "absent" not found' in done.stderr


def test_defaults_of_the_api_server_are_those_of_the_models(api: ApiServer) -> None:
    stored = _apply(api, MINIMAL)
    assert stored["spec"]["load"]["workers"] == 1
    assert PerfTest.model_validate(stored).spec == PerfTest.model_validate(MINIMAL).spec
    assert "status" not in stored


def test_every_limit_of_a_test_survives_the_way_through_the_api_server(api: ApiServer) -> None:
    document = {**MINIMAL, "metadata": {"name": "limits"}}
    document["spec"] = {
        **MINIMAL["spec"],
        "slos": [
            {"metric": "latency.p95", "max": "1m30s"},
            {"metric": "throughput", "min": "30/m"},
            {"metric": "dropped", "max": 0},
            {"metric": "bytes.received", "max": "10Mi"},
            {"metric": "successRate", "min": "99.9%", "max": "100%"},
        ],
    }
    stored = PerfTest.model_validate(_apply(api, document))
    assert [(slo.lower, slo.upper) for slo in stored.spec.slos] == [
        (None, 90e9),
        (0.5, None),
        (None, 0),
        (None, 10 * 2**20),
        (0.999, 1.0),
    ]


def test_columns_of_a_test(api: ApiServer) -> None:
    _apply(api, {**MINIMAL, "metadata": {"name": "columns"}})
    ready = {
        "type": "Ready",
        "status": "False",
        "reason": "Invalid",
        "message": "spec.schedule.timeZone: there is no zone Mars/Base",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    last = {"lastVerdict": "Pass", "lastSlos": "3/4", "lastRun": "columns-1"}
    _patch_status(api, "ptest/columns", {**last, "conditions": [ready]})
    head, row = api.kubectl("--namespace=crds", "get", "ptest", "columns").stdout.splitlines()
    for column in (
        "READY",
        "SCHEDULE",
        "SUSPENDED",
        "VERDICT",
        "SLOS",
        "LAST RUN",
        "NEXT RUN",
        "AGE",
    ):
        assert column in head
    assert row.split()[:6] == ["columns", "False", "false", "Pass", "3/4", "columns-1"]


def test_finished_run_is_stored_and_shown_as_the_design_says(api: ApiServer) -> None:
    _apply(api, {**RUN, "metadata": {"name": "done"}})
    _patch_status(api, "prun/done", DONE)
    stored = json.loads(api.kubectl("--namespace=crds", "get", "prun/done", "-o", "json").stdout)
    assert stored["status"] == DONE
    assert PerfRun.model_validate(stored).status.slos[0].measured == "612ms"
    head, row = api.kubectl("--namespace=crds", "get", "prun", "done").stdout.splitlines()
    assert head.split() == [
        "NAME",
        "TEST",
        "REASON",
        "PHASE",
        "VERDICT",
        "P95",
        "RATE",
        "ERRORS",
        "AGE",
    ]
    assert row.split()[:8] == [
        "done",
        "minimal",
        "Requested",
        "Done",
        "Warn",
        "612ms",
        "999.4/s",
        "0.06%",
    ]
    api.kubectl("--namespace=crds", "wait", "--for=condition=Complete", "--timeout=5s", "prun/done")


def test_wide_columns_tell_of_a_run_that_the_trend_leaves_out(api: ApiServer) -> None:
    _apply(api, {**RUN, "metadata": {"name": "slow"}})
    why = "its load generator had problems (Lag)"
    _patch_status(api, "prun/slow", {**DONE, "message": "all met", "notCompared": why})
    head, row = api.kubectl("--namespace=crds", "get", "prun", "slow", "-owide").stdout.splitlines()
    assert row[head.index("NOT COMPARED") :].startswith(why)
    assert "NOT COMPARED" not in api.kubectl("--namespace=crds", "get", "prun", "slow").stdout


def _apply_as(
    api: ApiServer, manager: str, document: dict[str, Any], *options: str
) -> dict[str, Any]:
    """Server-side apply, as one of several managers."""
    done = api.kubectl(
        "--namespace=crds", "apply", "--server-side", f"--field-manager={manager}", *options,
        "--validate=strict", "-o", "json", "-f", "-", input=json.dumps(document),
    )  # fmt: skip
    stored: dict[str, Any] = json.loads(done.stdout)
    return stored


def test_conditions_of_two_managers_stand_side_by_side(api: ApiServer) -> None:
    """Also where the operator, which knows them, then writes its own with a merge patch."""
    _apply(api, {**RUN, "metadata": {"name": "shared"}})
    about = {**{k: RUN[k] for k in ("apiVersion", "kind")}, "metadata": {"name": "shared"}}
    told = {}
    for manager, kind in (("operator", "Complete"), ("gate", "Approved")):
        condition = {
            "type": kind,
            "status": "False",
            "reason": "Waiting",
            "message": "",
            "lastTransitionTime": "2026-11-22T02:00:03Z",
        }
        status = {"conditions": [condition]}
        told = _apply_as(api, manager, {**about, "status": status}, "--subresource=status")
    assert [one["type"] for one in told["status"]["conditions"]] == ["Complete", "Approved"]
    read = PerfRun.parse(told).status
    fresh = done_conditions(cancelled("why", WorkerCounts(planned=1)), read.conditions, NOW, 1)
    changes = PerfRunStatus(conditions=fresh).as_patch()
    _patch_status(api, "prun/shared", changes)
    shown = json.loads(api.kubectl("--namespace=crds", "get", "prun/shared", "-ojson").stdout)
    kinds = {one["type"]: one["status"] for one in shown["status"]["conditions"]}
    assert kinds == {"Approved": "False", "Complete": "True", "SLOMet": "Unknown"}


def test_two_managers_own_steps_and_objectives_of_one_test(api: ApiServer) -> None:
    """A team's test, and the objective that another one adds to it."""
    document = {**MINIMAL, "metadata": {"name": "shared"}}
    _apply_as(api, "team", document)
    about = {**{k: MINIMAL[k] for k in ("apiVersion", "kind")}, "metadata": {"name": "shared"}}
    added = {"metric": "latency.p95", "max": "500ms", "onBreach": "Fail"}
    _apply_as(api, "sre", {**about, "spec": {"slos": [added]}})
    stored = _apply_as(api, "team", document)
    assert [slo["metric"] for slo in stored["spec"]["slos"]] == ["errorRate", "latency.p95"]


@pytest.mark.parametrize("time", ["yesterday", "2026-13-01T00:00:00Z", "2026-11-22T02:00:03"])
def test_status_takes_no_text_for_a_time(api: ApiServer, time: str) -> None:
    _apply(api, {**RUN, "metadata": {"name": "timed"}})
    patch = json.dumps({"status": {"startTime": time}})
    done = api.kubectl(
        "--namespace=crds", "patch", "prun/timed", "--subresource=status", "--type=merge",
        "-p", patch, check=False,
    )  # fmt: skip
    assert "status.startTime" in done.stderr
    _patch_status(api, "prun/timed", {"startTime": "2026-11-22T02:00:03.123456Z"})


def test_run_never_changes_but_may_be_stopped(api: ApiServer) -> None:
    def run(**spec: Any) -> dict[str, Any]:
        return {**RUN, "metadata": {"name": "fixed"}, "spec": {**RUN["spec"], **spec}}

    _apply(api, run())
    assert "immutable" in _refused(api, run(testRef={"name": "other"}))
    assert "immutable" in _refused(api, run(reason="Scheduled"))
    assert "immutable" in _refused(api, run(scheduledTime="2026-11-22T02:00:00Z"))
    _apply(api, run(stop=True))
    assert "cannot be started again" in _refused(api, run(stop=False))


@pytest.mark.parametrize(
    ("document", "name"),
    [
        (MINIMAL, "a" * 41),
        (MINIMAL, "with.dot"),
        (RUN, "a" * 64),
        (RUN, "with.dot"),
    ],
)
def test_names_that_do_not_fit_a_label_are_refused(
    api: ApiServer, document: dict[str, Any], name: str
) -> None:
    assert "metadata.name" in _refused(api, {**document, "metadata": {"name": name}})


def test_explain_tells_what_a_field_is_for(api: ApiServer) -> None:
    said = api.kubectl("explain", "perftest.spec.load.closed").stdout
    assert "A fixed number of users who each start the next iteration" in said
    assert "thinkTime" in said


def _patch_status(api: ApiServer, what: str, status: dict[str, Any]) -> None:
    api.kubectl(
        "--namespace=crds",
        "patch",
        what,
        "--subresource=status",
        "--type=merge",
        "-p",
        json.dumps({"status": status}),
    )
