"""Runs of scripts: the files that they are accepted with, and what is created for their workers."""

from typing import Any

import pytest

from perfrun.api.run.perfrun import PerfRun
from perfrun.controller.objects.manifests import config_map_hash, joined
from perfrun.kube.resources import (
    CONFIG_MAPS,
    JOBS,
    NETWORK_POLICIES,
    PERF_RUNS,
    PERF_TESTS,
    SERVICES,
)
from perfrun.logic.plan.names import job_name
from perfrun.measure.plan import RunPlan
from perfrun.measure.result import RunResult
from perfrun.measure.script import ScriptRecord
from tests.unit.controller.build import KEY, perf_test, run_body
from tests.unit.controller.run.test_reconciler import OWNER, UID, World, ago, world
from tests.unit.logic import build

__all__ = ["world"]
Json = dict[str, Any]
FILES = {"shop.js": "export default () => {}"}
SCRIPT = {
    "tool": "k6",
    "image": "registry.example/k6:1",
    "files": {"configMap": {"name": "shop-k6"}},
    "entry": "shop.js",
    "targets": ["shop:80", "pay:80"],
}


@pytest.fixture
def scripted(world: World) -> World:
    """The test is a script of two workers; its Services exist, its files do not."""
    test = perf_test(target={"script": SCRIPT}, load={"workers": 2, "maxDuration": "5m"})
    body = world.kube.all(PERF_TESTS)[0]
    body["spec"] = test.spec.model_dump(mode="json", exclude_unset=True)
    for name in ("shop", "pay"):
        spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]}
        world.kube.put(SERVICES, {"metadata": {"name": name, "namespace": "team"}, "spec": spec})
    body = run_body()
    body["metadata"]["creationTimestamp"] = ago(0)
    world.kube.put(PERF_RUNS, body)
    return world


def files(world: World, data: Json) -> Json:
    about = {"name": "shop-k6", "namespace": "team"}
    return world.kube.put(CONFIG_MAPS, {"metadata": about, "data": data})


async def accepted(scripted: World, data: Json) -> Json:
    files(scripted, data)
    await scripted.step()
    assert scripted.status["phase"] == "Starting"
    return scripted.status


async def test_a_run_is_accepted_with_the_hash_of_its_files_and_locks_each_target(
    scripted: World,
) -> None:
    status = await accepted(scripted, FILES)
    assert status["scriptHash"] == config_map_hash({"data": FILES})
    assert status["target"] == "shop.team:80,pay.team:80"
    (contender,) = scripted.store.queues.holders("pay.team:80").values()
    assert contender.name == KEY.name


async def test_other_files_are_another_comparison(scripted: World) -> None:
    keys = []
    for text in ("a", "b", "a"):
        scripted.kube.put(PERF_RUNS, run_body())
        scripted.store.drop_run(KEY)
        keys.append((await accepted(scripted, {"shop.js": text}))["comparisonKey"])
    assert keys[0] == keys[2] != keys[1]


async def test_files_that_are_applied_a_moment_later_are_waited_for(scripted: World) -> None:
    assert await scripted.step() is not None
    assert scripted.status == {}
    await accepted(scripted, FILES)


async def test_files_that_do_not_come_end_the_run_with_their_name(scripted: World) -> None:
    scripted.kube.objects["perfruns", *KEY]["metadata"]["creationTimestamp"] = ago(31)
    await scripted.step()
    phase, verdict, message = scripted.end
    assert (phase, verdict) == ("Done", "Error")
    assert message.startswith(
        "PerfTest shop: spec.target.script.files.configMap.name: ConfigMap shop-k6 does not exist in "
        "namespace team: create it"
    )


async def test_the_workers_are_told_which_files_and_may_connect_to_the_targets_only(
    scripted: World,
) -> None:
    status = await accepted(scripted, FILES)
    await scripted.step()
    name = f"{job_name(UID)}-plan"
    plan_map = scripted.kube.objects[CONFIG_MAPS.plural, "team", name]
    plan = RunPlan.model_validate_json(plan_map["data"]["plan.json"])
    assert plan.script_hash == status["scriptHash"]
    (job,) = scripted.kube.all(JOBS)
    assert job["spec"]["completions"] == 2
    (policy,) = scripted.kube.all(NETWORK_POLICIES)
    owners = [one["uid"] for one in policy["metadata"]["ownerReferences"]]
    assert owners == [plan_map["metadata"]["uid"]], "it is deleted with the plan"
    selected = policy["spec"]["podSelector"]["matchLabels"].items()
    assert selected <= job["spec"]["template"]["metadata"]["labels"].items()
    pods = [
        rule["to"][0]["podSelector"]["matchLabels"]["app"] for rule in policy["spec"]["egress"][:2]
    ]
    assert pods == ["shop", "pay"]


async def test_a_target_without_that_port_ends_the_run_before_any_pod(scripted: World) -> None:
    scripted.kube.objects["services", "team", "pay"]["spec"]["ports"] = [{"port": 81}]
    await accepted(scripted, FILES)
    await scripted.step()
    assert scripted.end[:2] == ("Done", "Error")
    assert "pay:80: Service pay has no port 80; its ports: 81" in scripted.end[2]
    assert scripted.kube.all(JOBS) == []


async def test_files_of_a_volume_are_known_from_the_workers_that_read_them(
    scripted: World,
) -> None:
    script = scripted.kube.objects["perftests", "team", "shop"]["spec"]["target"]["script"]
    script["files"] = {"volumeClaim": {"name": "scripts"}}
    await scripted.step()
    accepted_with = scripted.status
    assert "scriptHash" not in accepted_with
    scripted.be(**{**accepted_with, "phase": "Running", "startTime": ago(5), "job": job_name(UID)})
    job = {"metadata": {"name": job_name(UID), "namespace": "team", "ownerReferences": OWNER}}
    scripted.kube.put(JOBS, job)
    await scripted.runs.frozen(PerfRun.parse(scripted.kube.objects["perfruns", *KEY]))
    for index in range(2):
        report = build.report(build.step([5 * build.MS] * 50), window=build.S)
        report.script = ScriptRecord(tool="k6", files=["a" * 64])
        await scripted.runs.store_report(UID, index, report.pack())
    await scripted.step()
    assert scripted.end[:2] == ("Done", "Pass")
    assert scripted.status["scriptHash"] == "a" * 64
    assert scripted.status["comparisonKey"] != accepted_with["comparisonKey"]
    (name,) = scripted.status["result"]["configMaps"]
    packed = joined([scripted.kube.objects[CONFIG_MAPS.plural, "team", name]])
    assert packed is not None
    assert RunResult.unpack(packed).status["scriptHash"] == "a" * 64
