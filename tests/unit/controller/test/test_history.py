"""Trimming deletes what it has looked at, and nothing that has taken its name since."""

from collections.abc import Callable

import pytest

from perfrun.api import Json
from perfrun.api.run.perfrun import PerfRun
from perfrun.controller.objects.manifests import owner_reference
from perfrun.controller.objects.store import Store, run_record
from perfrun.controller.test.history import Historian
from perfrun.kube.resources import CONFIG_MAPS, PERF_RUNS, REVISIONS, Resource
from perfrun.logic.run.history import RESULTS_KEPT
from tests.unit.controller import build
from tests.unit.controller.fake_kube import FakeKube

RUNS = RESULTS_KEPT + 1


def result(number: int) -> Json:
    return {
        "metadata": {
            "name": f"result-{number}",
            "namespace": "team",
            "labels": {"perfrun.dev/run": f"shop-{number}", "perfrun.dev/content": "result"},
            "ownerReferences": [owner_reference("PerfRun", "", f"uid-shop-{number}")],
        }
    }


def revision(owner: str = "uid-shop") -> Json:
    return {
        "metadata": {
            "name": "shop-unused",
            "namespace": "team",
            "labels": {"perfrun.dev/test": "shop"},
            "ownerReferences": [owner_reference("PerfTest", "shop", owner)],
        }
    }


@pytest.fixture
def kube() -> FakeKube:
    """One result more than are kept, and a revision that nobody needs."""
    kube = FakeKube()
    for number in range(RUNS):
        where = {"configMaps": [f"result-{number}"], "sha256": "x", "bytes": 1}
        done = f"2026-11-22T02:00:{number:02}Z"
        kube.put(PERF_RUNS, build.run_body(f"shop-{number}", phase="Done", verdict="Pass",
                                           completionTime=done, result=where))  # fmt: skip
        kube.put(CONFIG_MAPS, result(number))
    kube.put(REVISIONS, revision())
    return kube


async def trim(kube: FakeKube) -> None:
    store = Store()
    for body in kube.all(PERF_RUNS):
        store.put_run(run_record(PerfRun.parse(body)))
    await Historian(kube, store).trim(build.checked_test())  # type: ignore[arg-type]


def names(kube: FakeKube, resource: Resource) -> set[str]:
    return {body["metadata"]["name"] for body in kube.all(resource)}


async def test_what_is_past_its_limit_goes(kube: FakeKube) -> None:
    await trim(kube)
    assert names(kube, CONFIG_MAPS) == {f"result-{number}" for number in range(1, RUNS)}
    assert names(kube, REVISIONS) == set()
    assert "result" not in kube.objects["perfruns", "team", "shop-0"]["status"]


async def test_what_took_a_name_in_between_stays(kube: FakeKube) -> None:
    made_anew: dict[str, Callable[[], Json]] = {
        "configmaps": lambda: result(0),
        "controllerrevisions": revision,
    }
    listed = kube.list

    async def and_then_made_anew(resource: Resource, *args: str, **more: str) -> list[Json]:
        found = await listed(resource, *args, **more)  # type: ignore[arg-type]
        if make := made_anew.get(resource.plural):
            body = make()
            kube.put(resource, {**body, "metadata": {**body["metadata"], "uid": "another"}})
        return found

    kube.list = and_then_made_anew  # type: ignore[method-assign, assignment]
    await trim(kube)
    assert names(kube, CONFIG_MAPS) == {f"result-{number}" for number in range(RUNS)}
    assert names(kube, REVISIONS) == {"shop-unused"}


async def test_a_run_is_not_trimmed_before_it_says_when_it_ended(kube: FakeKube) -> None:
    for number in range(25):
        kube.put(PERF_RUNS, build.run_body(f"odd-{number}", phase="Done", verdict="Pass"))
    await trim(kube)
    assert len(kube.all(PERF_RUNS)) == RUNS + 25
