"""What is left when the operator is to go: nothing that makes load, whatever goes wrong."""

import pytest

from perfrun.api import Json
from perfrun.api.run.perfrun import PerfRun
from perfrun.controller import uninstall as module
from perfrun.controller.objects.manifests import MANAGED_BY, owner_reference
from perfrun.controller.uninstall import uninstall
from perfrun.kube.errors import ConflictError, KubeError
from perfrun.kube.resources import ACCOUNTS, JOBS, PERF_RUNS
from tests.unit.controller.build import run_body, settings
from tests.unit.controller.fake_kube import FakeKube


@pytest.fixture
def kube(monkeypatch: pytest.MonkeyPatch) -> FakeKube:
    monkeypatch.setattr(module, "PAUSE_S", 0.0)
    return FakeKube()


def add_run(kube: FakeKube, name: str, phase: str = "Running") -> None:
    kube.put(PERF_RUNS, run_body(name, phase=phase))
    owner = owner_reference("PerfRun", name, f"uid-{name}")
    labels = {MANAGED_BY: "perfrun"}
    kube.put(JOBS, {"metadata": {"name": f"pr-{name}", "namespace": "team", "labels": labels,
                                 "ownerReferences": [owner]}})  # fmt: skip


def verdicts(kube: FakeKube) -> dict[str, str | None]:
    runs = kube.all(PERF_RUNS)
    return {run["metadata"]["name"]: run["status"].get("verdict") for run in runs}


async def test_runs_end_and_jobs_go_and_history_stays(kube: FakeKube) -> None:
    add_run(kube, "one")
    add_run(kube, "old", phase="Done")
    await uninstall(kube, settings())  # type: ignore[arg-type]
    assert (verdicts(kube), kube.all(JOBS)) == ({"one": "Inconclusive", "old": None}, [])


async def test_its_end_is_one_like_any_other(kube: FakeKube) -> None:
    place = {"reason": "?", "position": 1}
    passing: Json = {"progress": "12s", "launchError": "quota", "queue": place}
    in_progress = {"type": "Reconciling", "status": "True", "reason": "Running"}
    run = run_body("one", phase="Running", revision="api-1", conditions=[in_progress], **passing)
    run["metadata"]["generation"] = 2
    kube.put(PERF_RUNS, run)
    kube.put(PERF_RUNS, run_body("rubbish", phase="Running", startTime="yesterday"))
    await uninstall(kube, settings())  # type: ignore[arg-type]
    one, rubbish = (run["status"] for run in kube.all(PERF_RUNS))
    assert (one["phase"], one["observedGeneration"], one["revision"]) == ("Done", 2, "api-1")
    assert {c["type"]: (c["status"], c["reason"]) for c in one["conditions"]} == {
        "Complete": ("True", "Finished"), "SLOMet": ("Unknown", "Inconclusive"),
    }  # fmt: skip
    assert not passing.keys() & one.keys()
    assert one.keys() - {"revision"} == rubbish.keys()
    assert PerfRun.parse(kube.all(PERF_RUNS)[1]).status.phase == "Done"


async def test_accounts_of_workers_go_and_others_stay(kube: FakeKube) -> None:
    for namespace, labels in (("team", {MANAGED_BY: "perfrun"}), ("other", {})):
        kube.put(PERF_RUNS, run_body("old", namespace=namespace, uid=namespace, phase="Done"))
        about = {"name": "perfrun-worker", "namespace": namespace, "labels": labels}
        kube.put(ACCOUNTS, {"metadata": about})
    await uninstall(kube, settings())  # type: ignore[arg-type]
    assert [one["metadata"]["namespace"] for one in kube.all(ACCOUNTS)] == ["other"]


async def test_one_bad_run_does_not_stop_the_rest_and_its_job_goes(
    kube: FakeKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_run(kube, "bad")
    add_run(kube, "good")
    patch = kube.patch

    async def refusing(resource, namespace, name, body, *, sub=""):
        if name == "bad":
            raise ConflictError(409, "changed again")
        return await patch(resource, namespace, name, body, sub=sub)

    monkeypatch.setattr(kube, "patch", refusing)
    with pytest.raises(KubeError, match="still in progress"):
        await uninstall(kube, settings())  # type: ignore[arg-type]
    assert (verdicts(kube), kube.all(JOBS)) == ({"bad": None, "good": "Inconclusive"}, [])


async def test_what_the_operator_starts_meanwhile_ends_too(
    kube: FakeKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_run(kube, "one")
    delete = kube.delete

    async def and_one_more(*where, uid="") -> bool:
        if len(kube.all(PERF_RUNS)) < 3:
            add_run(kube, f"late-{len(kube.all(PERF_RUNS))}")
        return await delete(*where, uid=uid)

    monkeypatch.setattr(kube, "delete", and_one_more)
    await uninstall(kube, settings())  # type: ignore[arg-type]
    assert set(verdicts(kube).values()) == {"Inconclusive"}
    assert kube.all(JOBS) == []
