"""The reconciler of PerfRuns against an API server in memory: no run hangs, whatever goes wrong."""

import asyncio
import copy
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest

from perfrun.api import Json
from perfrun.api.names import STOP_ANNOTATION
from perfrun.api.policy import PerfPolicySpec
from perfrun.api.run.perfrun import HoldStatus, PerfRun
from perfrun.api.times import format_time
from perfrun.controller.metrics import Metrics
from perfrun.controller.objects.accounts import Accounts
from perfrun.controller.objects.events import Events
from perfrun.controller.objects.jobs import AUDIENCE
from perfrun.controller.objects.manifests import (
    joined,
    owner_reference,
    report_config_maps,
)
from perfrun.controller.objects.policies import PolicyRecord
from perfrun.controller.objects.store import Key, Store, run_record
from perfrun.controller.run.admit import Acceptor
from perfrun.controller.run.environment import EnvironmentReader
from perfrun.controller.run.finish import KEEP_TRIES, Finisher
from perfrun.controller.run.identity import PodIdentity
from perfrun.controller.run.open_runs import MAX_OTHERS, MAX_PIECES, OpenRuns, UnreadableError
from perfrun.controller.run.reconciler import MAX_FAILURES, RunReconciler, stop_of
from perfrun.controller.run.sampler import Sampler
from perfrun.coordinator.coordinator import Coordinator
from perfrun.coordinator.errors import Refused
from perfrun.kube.errors import ConflictError, KubeError, RefusedError, TerminatingError
from perfrun.kube.resources import (
    ACCOUNTS,
    CONFIG_MAPS,
    EVENTS,
    JOBS,
    PERF_RUNS,
    PERF_TESTS,
    PODS,
    REVISIONS,
    TOKEN_REVIEWS,
    WORKLOADS,
)
from perfrun.logic.plan.names import job_name
from perfrun.measure.report import TERMINATED
from perfrun.measure.result import RunResult
from tests.unit.controller.build import (
    CREATED,
    KEY,
    ChecksHere,
    perf_run,
    perf_test,
    run_body,
    settings,
)
from tests.unit.controller.build import revision as frozen
from tests.unit.controller.fake_kube import FakeKube
from tests.unit.logic import build

UID = "uid-shop-1"
TARGET = "shop.team:80"
WORKERS = 2
OWNER = [owner_reference("PerfRun", KEY.name, UID)]


def ago(seconds: float) -> str:
    return format_time(datetime.now(UTC) - timedelta(seconds=seconds))


@dataclass
class World:
    kube: FakeKube
    store: Store
    runs: OpenRuns
    reconciler: RunReconciler

    def be(self, **status: Any) -> None:
        """The run as it stands in the API."""
        body = run_body(
            **{"acceptedTime": ago(0), "revision": self.revision, "target": TARGET, **status}
        )
        body["metadata"]["ownerReferences"] = [owner_reference("PerfTest", "shop", "uid-shop")]
        self.kube.put(PERF_RUNS, body)

    def observe(self, *names: str) -> None:
        """The test observes Deployments of these names."""
        observe = [{"name": n, "workload": {"kind": "Deployment", "name": n}} for n in names]
        self.kube.objects["perftests", "team", "shop"]["spec"]["observe"] = observe
        for name in names:
            containers = [{"name": "main", "image": f"{name}:1"}]
            spec = {
                "replicas": 3,
                "selector": {"matchLabels": {"app": name}},
                "template": {"spec": {"containers": containers}},
            }
            about = {"name": name, "namespace": "team"}
            self.kube.put(WORKLOADS["Deployment"], {"metadata": about, "spec": spec})

    @property
    def kept_away_from(self) -> list[Json]:
        (job,) = self.kube.all(JOBS)
        apart = job["spec"]["template"]["spec"].get("affinity", {}).get("podAntiAffinity", {})
        terms = apart.get("preferredDuringSchedulingIgnoredDuringExecution", [])
        return [term["podAffinityTerm"]["labelSelector"] for term in terms]

    @property
    def revision(self) -> str:
        return str(self.kube.all(REVISIONS)[0]["metadata"]["name"])

    @property
    def status(self) -> Json:
        status: Json = self.kube.objects["perfruns", *KEY]["status"]
        return status

    @property
    def end(self) -> tuple[str | None, str | None, str]:
        status = self.status
        return status.get("phase"), status.get("verdict"), status.get("message", "")

    async def step(self) -> float | None:
        return await self.reconciler.reconcile(KEY)

    async def measure(self, terminated: Collection[int] = ()) -> None:
        """Both workers have reported; the load is in progress by the status.

        ``terminated``: those that were ended before their load was.
        """
        self.be(phase="Running", startTime=ago(5), job=job_name(UID))
        job = {"metadata": {"name": job_name(UID), "namespace": "team", "ownerReferences": OWNER}}
        self.kube.put(JOBS, job)
        await self.runs.frozen(perf_run(target=TARGET, revision=self.revision))
        for index in range(WORKERS):
            report = build.report(build.step([5 * build.MS] * 50), window=build.S)
            report.stopped = TERMINATED if index in terminated else None
            await self.runs.store_report(UID, index, report.pack())


@pytest.fixture
def world() -> World:
    kube = FakeKube()
    store = Store()
    metrics = Metrics(store)
    runs = OpenRuns(kube, store, ChecksHere(), lambda _: None)  # type: ignore[arg-type]
    events = Events(kube, "operator")  # type: ignore[arg-type]
    environment = EnvironmentReader(kube, settings())  # type: ignore[arg-type]
    sampler = Sampler(kube)  # type: ignore[arg-type]
    finisher = Finisher(kube, runs, events, metrics, environment, sampler)  # type: ignore[arg-type]
    coordinator = Coordinator(runs, PodIdentity(kube, runs))  # type: ignore[arg-type]
    acceptor = Acceptor(kube, store, finisher, events, ChecksHere())  # type: ignore[arg-type]
    reconciler = RunReconciler(
        kube, store, coordinator, runs, acceptor, finisher, environment, events, settings(), sampler,  # type: ignore[arg-type]
        Accounts(kube, "key"),  # type: ignore[arg-type]
    )  # fmt: skip
    test = perf_test(load={"workers": WORKERS, "burst": {"requests": 100, "concurrency": 10}})
    body = {
        "metadata": {"name": "shop", "namespace": "team", "uid": "uid-shop", "generation": 1,
                     "creationTimestamp": CREATED},
        "spec": test.spec.model_dump(mode="json", exclude_none=True),
    }  # fmt: skip
    kube.put(PERF_TESTS, body)
    kube.put(REVISIONS, frozen(test))
    return World(kube, store, runs, reconciler)


# --- starting --------------------------------------------------------------------------------------


async def test_workers_account_that_somebody_else_has_made_ends_the_run(world: World) -> None:
    world.be(phase="Starting")
    account = {"metadata": {"name": "perfrun-worker", "namespace": "team"}}
    world.kube.put(ACCOUNTS, account)
    await world.step()
    phase, verdict, message = world.end
    assert (phase, verdict) == ("Done", "Error")
    assert "perfrun-worker in namespace team was not created by the operator" in message
    assert world.kube.all(JOBS) == []


async def test_job_is_of_the_workers_account(world: World) -> None:
    world.be(phase="Starting")
    await world.step()
    (job,) = world.kube.all(JOBS)
    assert job["spec"]["template"]["spec"]["serviceAccountName"] == "perfrun-worker"
    (account,) = world.kube.all(ACCOUNTS)
    assert account["automountServiceAccountToken"] is False


async def test_what_cannot_be_created_is_told_and_ends_the_run_at_its_deadline(
    world: World,
) -> None:
    world.be(phase="Starting")
    world.kube.failing["create", "jobs"] = KubeError(500, "the webhook is away")
    assert await world.step() is not None
    assert world.status["progress"].endswith("could not be created yet: the webhook is away")
    assert world.status["message"] == world.status["progress"]
    assert world.status["launchError"] == "the webhook is away"
    late = {"acceptedTime": ago(3601), "launchError": "the webhook is away"}
    world.be(phase="Starting", progress="whatever stands here", **late)
    await world.step()
    phase, verdict, message = world.end
    assert (phase, verdict) == ("Done", "Error")
    assert message.endswith("(load.startTimeout): the webhook is away")
    assert "launchError" not in world.status


async def test_launch_error_is_over_once_the_workers_are_created(world: World) -> None:
    world.be(phase="Starting", launchError="the webhook is away", progress="no", message="no")
    await world.step()
    assert world.status["job"] == job_name(UID)
    assert {"launchError", "progress", "message"} & world.status.keys() == set()


async def test_workers_keep_away_from_the_observed_workloads(world: World) -> None:
    world.observe("shop", "db")
    world.be(phase="Starting")
    await world.step()
    assert world.kept_away_from == [{"matchLabels": {"app": name}} for name in ("shop", "db")]


@pytest.mark.parametrize("missing", ["perftests", "deployments"])
async def test_workers_start_also_where_it_cannot_be_read_what_is_observed(
    world: World, missing: str
) -> None:
    world.observe("shop", "gone")
    del world.kube.objects["deployments", "team", "gone"]
    world.be(phase="Starting")
    await world.step()
    assert len(world.kept_away_from) == 1
    world.kube.objects.pop(("jobs", "team", job_name(UID)))
    world.kube.failing["get", missing] = RefusedError(403, "may not be read")
    world.be(phase="Starting")
    await world.step()
    assert world.kept_away_from == []


async def test_plan_that_was_deleted_before_its_pods_had_it_is_put_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfrun.controller.run.reconciler.PLAN_LOOK_S", 0.0)
    world.be(phase="Starting")
    await world.reconciler.reconcile(KEY)
    (plan,) = world.kube.all(CONFIG_MAPS)
    world.kube.objects.pop((CONFIG_MAPS.plural, KEY.namespace, plan["metadata"]["name"]))
    for _ in range(2):
        await world.reconciler.reconcile(KEY)
    (again,) = world.kube.all(CONFIG_MAPS)
    assert again["binaryData" if "binaryData" in plan else "data"] == plan.get(
        "binaryData", plan.get("data")
    )


async def test_plan_of_somebody_else_is_left_alone_and_named(world: World) -> None:
    name = f"{job_name(UID)}-plan"
    world.kube.put(
        CONFIG_MAPS, {"metadata": {"name": name, "namespace": "team"}, "data": {"a": "b"}}
    )
    world.be(phase="Starting")
    await world.step()
    assert name in world.status["progress"]
    assert "delete it" in world.status["progress"]
    assert world.kube.objects["configmaps", "team", name]["data"] == {"a": "b"}


async def test_long_sentence_of_the_api_server_fits_into_the_status(world: World) -> None:
    world.be(phase="Starting")
    world.kube.failing["create", "jobs"] = KubeError(500, "x" * 5000)
    await world.step()
    assert len(world.status["progress"]) == len(world.status["launchError"]) == 2048


@pytest.mark.parametrize("phase", ["Starting", "Queued"])
async def test_revision_that_cannot_be_read_ends_the_run(world: World, phase: str) -> None:
    revision = world.kube.all(REVISIONS)[0]
    revision["data"] = {"spec": {"load": "much"}}
    world.be(phase=phase)
    await world.step()
    assert world.end[:2] == ("Done", "Error")
    assert "ControllerRevision" in world.end[2]


@pytest.mark.parametrize(
    ("holder", "waits", "phases"),
    [
        pytest.param(True, False, ["Queued", "Queued"], id="stays in it"),
        pytest.param(False, True, ["Starting", "Queued"], id="would leave it"),
    ],
)
async def test_who_would_leave_the_queue_waits_until_it_is_written_that_another_has_left(
    world: World, monkeypatch: pytest.MonkeyPatch, holder: bool, waits: bool, phases: list[str]
) -> None:
    young, old = Key("team", "shop-3"), Key("team", "shop-2")
    writing, answered = asyncio.Event(), asyncio.Event()
    patch = world.kube.patch

    async def slow(*where: Any, sub: str = "") -> Json:
        if where[2] == young.name and sub == "status":
            writing.set()
            await answered.wait()
        return await patch(*where, sub=sub)

    monkeypatch.setattr(world.kube, "patch", slow)
    if holder:
        world.store.put_run(run_record(perf_run(phase="Starting", target=TARGET)))
    for key, age in ((young, 1), (old, 2)):
        body = run_body(key.name)
        body["metadata"]["creationTimestamp"] = ago(age)
        world.kube.put(PERF_RUNS, body)
    first = asyncio.create_task(world.reconciler.reconcile(young))
    await writing.wait()
    second = asyncio.create_task(world.reconciler.reconcile(old))
    await asyncio.wait([second], timeout=0.05 if waits else 5)
    assert second.done() is not waits
    # The event of its creation, which knows no target yet, comes while it waits.
    created = await world.kube.get(PERF_RUNS, *old)
    world.store.put_run(run_record(PerfRun.parse({**created, "status": {}})))
    answered.set()
    await asyncio.gather(first, second)
    found = [world.kube.objects["perfruns", *key]["status"]["phase"] for key in (young, old)]
    assert found == phases


@pytest.mark.parametrize("accepted", [True, False])
async def test_policies_are_asked_about_what_is_run_and_not_about_what_the_test_says(
    world: World, accepted: bool
) -> None:
    world.store.put_policy("few", PolicyRecord("", PerfPolicySpec.parse({"limits": {"users": 10}})))
    # Under the name of what the test says: edited, or of the same short hash.
    revision = world.kube.all(REVISIONS)[0]
    revision["data"]["spec"]["load"]["burst"]["concurrency"] = 11
    if accepted:
        world.be(phase="Starting")
    else:
        world.kube.put(PERF_RUNS, run_body())
        await world.step()
        assert world.status["phase"] == "Starting"
    await world.step()
    assert world.end[:2] == ("Done", "Error")
    assert "asks for 11, but PerfPolicy few (limits.users) allows at most 10" in world.end[2]
    assert world.kube.all(JOBS) == []


async def test_no_teardown_is_run_that_no_policy_was_asked_about(world: World) -> None:
    world.store.put_policy("few", PolicyRecord("", PerfPolicySpec.parse({"limits": {"users": 9}})))
    revision = world.kube.all(REVISIONS)[0]
    revision["data"]["spec"]["teardown"] = [{"name": "tidy", "http": {"path": "/"}}]
    world.be(phase="Collecting", startTime=ago(90), loadEndTime=ago(60), reportDeadline=ago(30))
    await world.step()
    await world.step()
    assert world.end[:2] == ("Done", "Error")
    assert "limits.users" in world.end[2]
    assert world.kube.all(JOBS) == []


@pytest.mark.parametrize("target", ["others.elsewhere:80", None])
async def test_run_whose_status_names_another_target_than_its_own_is_in_nobodys_way(
    world: World, target: str | None
) -> None:
    world.be(phase="Starting")
    await world.step()
    world.be(phase="Starting", job=job_name(UID), target=target)
    await world.step()
    assert world.end[:2] == ("Done", "Error")
    assert "its status was changed" in world.end[2]


async def test_refusal_while_accepting_ends_the_run_with_its_words(world: World) -> None:
    world.kube.objects.pop(("controllerrevisions", "team", world.revision))
    world.kube.put(PERF_RUNS, run_body())
    world.kube.failing["create", "controllerrevisions"] = RefusedError(403, "exceeded quota: few")
    await world.step()
    assert world.end == ("Done", "Error", "it could not be accepted: exceeded quota: few")


async def test_nothing_is_shouted_in_a_namespace_that_goes_away(world: World) -> None:
    world.kube.objects.pop(("controllerrevisions", "team", world.revision))
    world.kube.put(PERF_RUNS, run_body())
    world.kube.failing["create", "controllerrevisions"] = TerminatingError(403, "terminating")
    with pytest.raises(TerminatingError):
        await world.step()
    assert world.status == {}
    assert world.kube.all(EVENTS) == []


# --- under load ------------------------------------------------------------------------------------


async def test_holds_of_a_search_are_kept_while_the_run_is_under_load(world: World) -> None:
    world.be(phase="Running", startTime=ago(5), job=job_name(UID))
    await world.runs.frozen(perf_run(target=TARGET, revision=world.revision))
    await world.runs.persist_holds(UID, [HoldStatus(rate="100/s", start_time=ago(1))])
    assert [hold["rate"] for hold in world.status["capacity"]["holds"]] == ["100/s"]
    world.be(phase="Collecting", startTime=ago(5), job=job_name(UID))
    with pytest.raises(ConflictError, match="is no longer running"):
        await world.runs.persist_holds(UID, [])


async def test_clock_that_is_set_as_reports_are_waited_for_is_no_time_without_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Later":
            return cls.fromtimestamp(time.time() + 7200, tz)

    world.be(phase="Running", startTime=ago(90_000), job=job_name(UID))
    job = {"metadata": {"name": job_name(UID), "namespace": "team", "ownerReferences": OWNER}}
    world.kube.put(JOBS, job)
    await world.step()
    assert world.status["phase"] == "Collecting"
    monkeypatch.setattr("perfrun.controller.run.facts.datetime", Later)
    await world.step()
    assert world.status["phase"] == "Collecting", world.status


# --- the end ---------------------------------------------------------------------------------------


async def test_reports_of_all_workers_make_the_verdict(world: World) -> None:
    await world.measure()
    await world.step()
    assert world.end[0] == "Done"
    assert world.status["summary"]["requests"]["sent"] == 100
    assert world.status["workers"] == {"planned": 2, "ready": 2, "reported": 2}
    assert len(world.status["result"]["configMaps"]) == 1


async def test_stored_result_has_the_status_of_the_run_as_it_was_judged(world: World) -> None:
    await world.measure()
    await world.step()
    (name,) = world.status["result"]["configMaps"]
    packed = joined([await world.kube.get(CONFIG_MAPS, "team", name)])
    assert packed is not None
    result = RunResult.unpack(packed)
    assert "notified" not in result.status
    # The Job is tidied up after it; where it was measured and where it is kept is written beside.
    assert result.status.pop("job") == job_name(UID)
    beside = {"environment", "result"}
    assert result.status == {k: v for k, v in world.status.items() if k not in {*beside, "job"}}


async def test_worker_that_was_ended_and_has_reported_is_named(world: World) -> None:
    await world.measure(terminated=[1])
    await world.step()
    assert world.end[:2] == ("Done", "Pass")
    assert "; lost: worker 1: it was stopped by a signal" in world.end[2]


@pytest.mark.parametrize(
    ("stopped", "verdict", "message"),
    [
        (None, "Error", "none of 2 workers reported: see kubectl describe job of this run"),
        (
            "spec.stop was set",
            "Inconclusive",
            "stopped (spec.stop was set): none of 2 workers reported: see kubectl describe job of "
            "this run",
        ),
    ],
)
async def test_load_on_which_nobody_has_reported(
    world: World, stopped: str | None, verdict: str, message: str
) -> None:
    world.be(
        phase="Collecting",
        startTime=ago(60),
        reportDeadline=ago(1),
        job=job_name(UID),
        stopped=stopped,
    )
    await world.step()
    assert world.end == ("Done", verdict, message)


async def test_reports_are_found_by_their_names_and_read_one_by_one(world: World) -> None:
    await world.measure()
    world.kube.asked.clear()
    assert set(await world.runs.stored_reports(UID)) == {0, 1}
    assert world.kube.asked == {("list", "configmaps"): 1}
    merged, count, terminated = await world.runs.merged_report(UID)
    assert merged is not None
    assert (merged.workers, count, terminated) == (2, 2, [])
    assert world.kube.asked["get", "configmaps"] == 2


async def test_config_maps_with_the_labels_of_reports_are_not_read_without_end(
    world: World,
) -> None:
    await world.measure()
    most = 3 * MAX_PIECES + MAX_OTHERS
    copied = copy.deepcopy(world.kube.all(CONFIG_MAPS)[-1])
    assert "-report-" in copied["metadata"]["name"]
    del copied["metadata"]["ownerReferences"]
    for number in range(most - 2):
        body = copy.deepcopy(copied)
        body["metadata"] |= {"name": f"copy-{number}", "uid": f"copy-{number}"}
        world.kube.put(CONFIG_MAPS, body)
    assert set(await world.runs.stored_reports(UID)) == {0, 1}
    body["metadata"] |= {"name": "one-more", "uid": "one-more"}
    world.kube.put(CONFIG_MAPS, body)
    with pytest.raises(UnreadableError, match=f"more than {most} ConfigMaps have the labels"):
        await world.runs.stored_reports(UID)
    await world.step()
    assert world.end[:2] == ("Done", "Error")
    assert "delete those that the operator did not create" in world.end[2]


async def test_observed_workloads_are_noted_as_they_are_when_the_run_is_judged(
    world: World,
) -> None:
    await world.measure()
    world.observe("shop")  # after it was frozen: it is no part of what runs
    await world.step()
    assert world.status["verdict"] == "Pass"
    (workload,) = world.status["environment"]["workloads"]
    assert (workload["name"], workload["replicas"]) == ("shop", 3)
    assert workload["images"] == {"main": "shop:1"}


async def test_report_without_its_first_piece_was_never_acknowledged(world: World) -> None:
    await world.measure()
    pieces = [b for b in world.kube.all(CONFIG_MAPS) if "-report-1-" in b["metadata"]["name"]]
    pieces[0]["metadata"]["labels"]["perfrun.dev/piece"] = "1"
    assert set(await world.runs.stored_reports(UID)) == {0}


async def test_pieces_that_another_report_has_left_are_no_part_of_the_stored_one(
    world: World,
) -> None:
    await world.measure()
    plan = (await world.runs.frozen(perf_run(target=TARGET, revision=world.revision))).plan
    left = report_config_maps(KEY, plan, 1, b"x" * 1_000_000)[1]
    await world.kube.create(CONFIG_MAPS, "team", left)
    merged, count, terminated = await world.runs.merged_report(UID)
    assert merged is not None
    assert (merged.workers, count, terminated) == (2, 2, [])


@pytest.mark.parametrize(
    "damage",
    [
        {"binaryData": {"report.json.gz": "AAAA"}},
        {"binaryData": {"report.json.gz": "!"}},
        {"binaryData": None},
        {"metadata": {"labels": {"perfrun.dev/index": "x"}}},
        {"metadata": {"annotations": None}},
    ],
)
async def test_damaged_report_ends_the_run_with_its_name(world: World, damage: Json) -> None:
    await world.measure()
    (name,) = [b["metadata"]["name"] for b in world.kube.all(CONFIG_MAPS)
               if "-report-1-" in b["metadata"]["name"]]  # fmt: skip
    await world.kube.patch(CONFIG_MAPS, "team", name, damage)
    await world.step()
    assert world.end[:2] == ("Done", "Error")
    assert f"ConfigMap {name} is damaged" in world.end[2]


async def test_quota_on_the_result_leaves_the_verdict(world: World) -> None:
    await world.measure()
    world.kube.failing["create", "configmaps"] = RefusedError(403, "exceeded quota")
    await world.step()
    assert (world.status["phase"], "result" in world.status) == ("Done", False)
    assert world.status["summary"]["requests"]["sent"] == 100
    told = [event["note"] for event in world.kube.all(EVENTS) if event["reason"] == "ResultNotKept"]
    assert told == ["the full result is not stored: exceeded quota"]


async def test_result_that_fails_time_after_time_is_given_up(world: World) -> None:
    await world.measure()
    world.kube.failing["create", "configmaps"] = KubeError(500, "etcd is full")
    for _ in range(KEEP_TRIES - 1):
        with pytest.raises(KubeError):
            await world.step()
    await world.step()
    assert (world.status["phase"], "result" in world.status) == ("Done", False)


async def test_run_that_cannot_be_judged_ends_after_some_tries(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("perfrun.controller.run.finish.judge", broken)
    await world.measure()
    for _ in range(MAX_FAILURES - 1):
        with pytest.raises(ZeroDivisionError):
            await world.step()
    await world.step()
    assert world.end[:2] == ("Done", "Error")
    assert "ZeroDivisionError: division by zero" in world.end[2]


async def test_verdict_that_is_refused_becomes_an_error_that_is_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch = world.kube.patch

    async def strict(*where: Any, sub: str = "") -> Json:
        if "summary" in where[3].get("status", {}):
            raise RefusedError(422, "status.summary: too long")
        return await patch(*where, sub=sub)

    monkeypatch.setattr(world.kube, "patch", strict)
    await world.measure()
    await world.step()
    message = "its verdict could not be written: status.summary: too long"
    assert world.end == ("Done", "Error", message)
    assert world.status["notCompared"] == "its verdict is Error"


async def test_verdict_that_was_written_and_not_told_is_told_once(world: World) -> None:
    world.be(phase="Done", verdict="Pass", message="all is well", job=job_name(UID))
    for _ in range(2):
        await world.step()
    assert [event["note"] for event in world.kube.all(EVENTS)] == ["all is well"]
    assert "job" not in world.status


async def test_run_whose_status_is_rubbish_ends_with_a_sentence_once(world: World) -> None:
    world.be(phase="Running", startTime="yesterday", workers={"planned": "many"})
    for _ in range(3):
        assert await world.reconciler.reconcile(KEY) is None
    phase, verdict, message = world.end
    assert (phase, verdict) == ("Done", "Error")
    assert message.startswith("this object cannot be read: status.startTime")
    assert "startTime" not in world.status
    assert world.status["workers"] == {"planned": 0, "ready": 0, "reported": 0}
    # An end like any other: what follows kstatus sees it.
    assert {one["type"] for one in world.status["conditions"]} == {"Complete", "SLOMet", "Stalled"}
    assert world.kube.asked["patch", "perfruns"] == 1


async def test_run_of_thousands_of_owners_ends_with_a_sentence_once(world: World) -> None:
    owners = [owner_reference("Pod", f"pod-{number}", f"uid-{number}") for number in range(12_000)]
    world.be(phase="Queued")
    (body,) = world.kube.all(PERF_RUNS)
    body["metadata"]["ownerReferences"] = owners
    for _ in range(3):
        assert await world.reconciler.reconcile(KEY) is None
    assert world.end == (
        "Done",
        "Error",
        "this object cannot be read: metadata.ownerReferences: is too long: at most 1000 item(s)",
    )
    assert world.kube.asked["patch", "perfruns"] == 1


@pytest.mark.parametrize("field", ["acceptedTime", "startTime", "reportDeadline"])
@pytest.mark.parametrize("time", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
async def test_time_of_no_use_in_a_status_is_a_sentence(
    world: World, field: str, time: str
) -> None:
    world.be(**{"phase": "Running", "startTime": ago(5), "job": job_name(UID), field: time})
    await world.step()
    assert world.end[:2] == ("Done", "Error")
    assert world.end[2].startswith(f"this object cannot be read: status.{field}: ")


async def test_run_that_goes_away_with_a_finalizer_ends_its_load(world: World) -> None:
    await world.measure()
    world.kube.objects["perfruns", *KEY]["metadata"]["deletionTimestamp"] = CREATED
    assert await world.step() is None
    assert world.kube.all(JOBS) == []


async def test_under_load_a_run_costs_few_requests(world: World) -> None:
    world.be(phase="Running", startTime=ago(5), job=job_name(UID))
    job = {"metadata": {"name": job_name(UID), "namespace": "team", "ownerReferences": OWNER}}
    world.kube.put(JOBS, job)
    await world.step()
    world.kube.asked.clear()
    for _ in range(20):  # as often as reports wake it
        assert await world.step() is not None
    assert world.kube.asked == {("get", "perfruns"): 20}


# --- who a worker is -------------------------------------------------------------------------------


async def test_pod_of_another_job_of_the_same_name_is_no_worker(world: World) -> None:
    await world.measure()
    pod = {
        "metadata": {
            "name": "imposter", "namespace": "team", "uid": "uid-pod",
            "annotations": {"batch.kubernetes.io/job-completion-index": "0"},
            "ownerReferences": [{"kind": "Job", "name": job_name(UID), "uid": "made-up"}],
        }
    }  # fmt: skip
    world.kube.put(PODS, pod)

    async def review(resource: Any, *_: Any) -> Json:
        assert resource is TOKEN_REVIEWS
        extra = {"authentication.kubernetes.io/pod-name": ["imposter"],
                 "authentication.kubernetes.io/pod-uid": ["uid-pod"]}  # fmt: skip
        user = {"username": "system:serviceaccount:team:default", "extra": extra}
        return {"status": {"authenticated": True, "audiences": [AUDIENCE], "user": user}}

    world.kube.create = review  # type: ignore[assignment,method-assign]
    identity = PodIdentity(world.kube, world.runs)  # type: ignore[arg-type]
    with pytest.raises(Refused, match="not a worker of this run"):
        await identity.identify(UID, 0, "token")
    pod["metadata"]["ownerReferences"] = [{"uid": f"uid-jobs-{job_name(UID)}"}]
    for _ in range(3):
        assert await identity.identify(UID, 0, "token") == "uid-pod"
    assert world.kube.asked["get", "jobs"] == 1
    pod["metadata"]["deletionTimestamp"] = CREATED  # it may report as long as it runs
    assert await identity.identify(UID, 0, "token") == "uid-pod"
    # A side car that goes on has the volumes of the pod, maybe, and nothing to report.
    ended = {"name": "worker", "state": {"terminated": {"exitCode": 0}}}
    for status in ({"phase": "Succeeded"}, {"phase": "Failed"},
                   {"phase": "Running", "containerStatuses": [ended]}):  # fmt: skip
        pod["status"] = status  # type: ignore[assignment]
        with pytest.raises(Refused, match="has ended"):
            await identity.identify(UID, 0, "token")


async def test_report_is_not_written_over_what_belongs_to_somebody_else(world: World) -> None:
    await world.runs.frozen(perf_run(target=TARGET, revision=world.revision))
    name = f"{job_name(UID)}-report-0-0"
    world.kube.put(CONFIG_MAPS, {"metadata": {"name": name, "namespace": "team"}})
    packed = build.report(build.step([5 * build.MS])).pack()
    with pytest.raises(ConflictError, match=name):
        await world.runs.store_report(UID, 0, packed)


async def test_gone_revision_is_unreadable(world: World) -> None:
    with pytest.raises(UnreadableError, match="no longer exists"):
        await world.runs.frozen(perf_run(target=TARGET, revision="nothing"))


@pytest.mark.parametrize(
    ("gone", "said"),
    [("revision", "has no revision"), ("acceptedTime", "does not say when it left the queue")],
)
async def test_a_status_from_which_somebody_took_a_field_ends_the_run(
    world: World, gone: str, said: str
) -> None:
    world.be(**{"phase": "Starting", gone: None})
    await world.step()
    assert world.end[:2] == ("Done", "Error")
    assert said in world.end[2]


# --- observed workloads ------------------------------------------------------------------------------


async def test_what_was_observed_is_judged_and_missing_metrics_are_no_error(world: World) -> None:
    observed = perf_test(
        load={"workers": WORKERS, "burst": {"requests": 100, "concurrency": 10}},
        observe=[{"name": "api", "workload": {"kind": "Deployment", "name": "gone"}}],
        slos=[
            {"metric": "memory.growth", "of": "api", "max": "10Mi"},
            {"metric": "errorRate", "max": "1%"},
        ],
    )
    revision = frozen(observed)
    world.kube.objects.clear()
    world.kube.put(REVISIONS, revision)
    await world.measure()
    world.status["phase"] = "Starting"
    await world.step()
    async with asyncio.timeout(10):
        # The operator looks while the run is in progress.
        while not world.kube.asked["get", "deployments"]:
            await asyncio.sleep(0.002)
    world.status["phase"] = "Running"
    await world.step()
    await world.step()
    phase, verdict, message = world.end
    assert (phase, verdict) == ("Done", "Inconclusive")
    assert message.startswith("1 of 2 objectives inconclusive: memory.growth of api is not known: ")
    assert 'deployments "gone" not found' in message
    assert world.status["observed"][0]["message"] == 'deployments "gone" not found'


@pytest.mark.parametrize(
    ("spec", "about", "said"),
    [
        ({}, {}, None),
        ({"stop": False}, {"annotations": {STOP_ANNOTATION: "me"}}, None),
        ({"stop": True}, {}, "spec.stop was set"),
        ({"stop": True}, {"annotations": {STOP_ANNOTATION: "replaced by b"}}, "replaced by b"),
        ({"stop": True}, {"annotations": {STOP_ANNOTATION: "x" * 999}}, "x" * 197 + "..."),
        (
            {"stop": True},
            {
                "managedFields": [
                    {"manager": "first", "time": "1", "fieldsV1": {"f:spec": {"f:stop": {}}}},
                    {"manager": "kubectl-edit", "time": "2", "fieldsV1": {"f:spec": {"f:stop": {}}}},
                    {"manager": "other", "time": "3", "fieldsV1": {"f:spec": {"f:testRef": {}}}},
                    {"manager": "status", "time": "4"},
                ]
            },
            "spec.stop was set by kubectl-edit",
        ),
    ],
)  # fmt: skip
def test_a_stop_names_who_asked(spec: Json, about: Json, said: str | None) -> None:
    assert stop_of({"metadata": about, "spec": spec}) == said
