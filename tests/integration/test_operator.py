"""The operator's process against a real API server: the world after each step of a run's life."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from perfrun.logic.names import requested_run_name
from perfrun.measure.report import Ready, Trouble
from tests.cluster.handle import ApiServer
from tests.integration.operator_under_test import (
    EACH,
    WORKERS,
    Api,
    Operator,
    World,
    kubeconfig_of,
    until,
)

CRDS = Path(__file__).resolve().parents[2] / "crds"
ALL = WORKERS * EACH


@pytest.fixture(scope="module")
def server(apiserver_with_controllers: ApiServer) -> ApiServer:
    api = apiserver_with_controllers
    api.kubectl("apply", "-f", CRDS)
    names = ["crd/perftests.perfrun.dev", "crd/perfruns.perfrun.dev"]
    api.kubectl("wait", "--for=condition=Established", "--timeout=30s", *names)
    return api


@pytest.fixture(scope="module")
def operator(server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    folder = tmp_path_factory.mktemp("operator")
    operator = Operator(kubeconfig_of(server, folder), folder)
    operator.start()
    yield operator
    if operator.running:
        operator.kill()


@pytest.fixture
async def world(
    server: ApiServer, operator: Operator, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[World]:
    """A namespace of the test's own, and a running operator."""
    if not operator.running:
        operator.start()
    await until("the operator is ready", operator.ready)
    api = Api(server, tmp_path)
    namespace = f"t{time.monotonic_ns()}"
    await api.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    world = World(api, operator, namespace)

    async def account() -> Any:
        return await api.find(world.core("serviceaccounts", "default"))

    await until("the namespace has its service account", account)
    yield world
    await api.call("DELETE", f"/api/v1/namespaces/{namespace}")
    await api.close()


# --- the whole life ---------------------------------------------------------------------------


async def test_run_goes_from_nothing_to_pass_and_leaves_only_its_result(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    workers = await world.workers("one")
    assert await world.phase("one") == "Starting"
    starts = await asyncio.gather(*(worker.at_barrier() for worker in workers))
    assert all(start.start_in is not None for start in starts)
    assert (await world.run("one"))["status"]["phase"] == "Running"
    assert (await workers[0].interval()).json() == {"stop": None}
    await asyncio.sleep(max(start.start_in or 0 for start in starts) / 1e9)
    for worker in workers:
        assert (await worker.report()).status_code == 200
    status = await world.until_done("one")
    assert (status["verdict"], status["summary"]["requests"]["sent"]) == ("Pass", ALL)
    assert status["workers"] == {"planned": WORKERS, "ready": WORKERS, "reported": WORKERS}
    assert status["startTime"] <= status["completionTime"]
    assert {c["type"]: c["status"] for c in status["conditions"]}["Complete"] == "True"

    async def tidy() -> bool:
        left = [*await world.config_maps("one", "plan"), *await world.config_maps("one", "report")]
        return not (left or await world.jobs("one") or await world.pods("one"))

    await until("Job, pods, plan and reports are gone", tidy)
    assert [body["metadata"]["name"] for body in await world.config_maps("one", "result")] == (
        status["result"]["configMaps"]
    )
    assert "job" not in (await world.run("one"))["status"]

    async def told() -> bool:
        status = (await world.test()).get("status", {})
        return (status.get("lastRun"), status.get("lastVerdict")) == ("one", "Pass")

    await until("the test names its last run", told)
    assert [event["reason"] for event in await world.events("one")].count("Pass") == 1
    labels = f'namespace="{world.namespace}",test="shop"'
    assert f'perfrun_verdict{{{labels},verdict="Pass"}} 1.0' in await world.operator.metrics()


async def test_nothing_is_written_once_all_is_said(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    await world.finish("one")

    async def versions() -> list[str]:
        bodies = (await world.test(), await world.run("one"))
        return [body["metadata"]["resourceVersion"] for body in bodies]

    async def job_forgotten() -> bool:
        return "job" not in (await world.run("one"))["status"]

    await until("it was tidied up", job_forgotten)
    await world.settled()
    before = await versions()
    # Looked at again: a request changes the object, and must not change the status.
    for path in (world.ours("perftests", "shop"), world.ours("perfruns", "one")):
        await world.api.merge(path, {"metadata": {"annotations": {"looked-at": "again"}}})
    touched = await versions()
    await world.settled()
    assert before != touched == await versions()


async def test_start_is_persisted_before_it_is_told(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    workers = await world.workers("one")

    async def first_word(worker: Any) -> tuple[int, str]:
        start = await worker.at_barrier()
        status = (await world.run("one"))["status"]
        return start.start_in, status["startTime"]

    answers = await asyncio.gather(*(first_word(worker) for worker in workers))
    assert len({persisted for _, persisted in answers}) == 1
    assert all(start_in > 0 for start_in, _ in answers)


async def test_report_is_stored_before_it_is_acknowledged(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    workers = await world.workers("one")
    await asyncio.gather(*(worker.at_barrier() for worker in workers))
    assert (await workers[1].report()).status_code == 200
    stored = await world.config_maps("one", "report")
    assert [body["metadata"]["labels"]["perfrun.dev/index"] for body in stored] == ["1"]
    assert (await workers[1].report()).status_code == 200  # its acknowledgement was lost
    assert len(await world.config_maps("one", "report")) == 1
    await workers[0].report()
    status = await world.until_done("one")
    assert (status["verdict"], status["summary"]["requests"]["sent"]) == ("Pass", ALL)


async def test_late_words_of_a_finished_run_are_turned_away(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    workers = await world.workers("one")
    await asyncio.gather(*(worker.work() for worker in workers))
    await world.until_done("one")

    async def over() -> bool:
        return (await workers[0].post("interval", b"{}")).status_code == 410

    await until("its workers are told that it is over", over)


# --- who may speak ----------------------------------------------------------------------------


async def test_only_the_right_pod_of_the_run_may_speak(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    own, other = await world.workers("one")
    await world.apply_test("else", target={"http": {"url": "http://else"}})
    await world.create_run("two", "else")
    stranger = (await world.workers("two"))[0]
    ready = Ready().to_bytes()
    pod = (await world.pods("one"))[0]
    foreign = [
        ("no token", await own.post("ready", ready, token="")),
        ("not a token", await own.post("ready", ready, token="abc.def.ghi")),
        (
            "audience of the API server",
            await own.post(
                "ready", ready, token=await world.token(pod, "https://kubernetes.default.svc")
            ),
        ),
        ("not bound to a pod", await own.post("ready", ready, token=await world.token(None))),
        ("of another run's pod", await own.post("ready", ready, token=stranger.token)),
        ("of another index", await own.post("ready", ready, token=other.token)),
        ("an index that is not there", await own.post("ready", ready, index=7)),
    ]
    assert {what: answer.status_code for what, answer in foreign} == {
        "no token": 401,
        "not a token": 403,
        "audience of the API server": 403,
        "not bound to a pod": 403,
        "of another run's pod": 403,
        "of another index": 403,
        "an index that is not there": 403,
    }
    assert all(answer.json()["message"] for _, answer in foreign)
    assert (await world.run("one"))["status"]["workers"]["ready"] == 0


async def test_token_of_another_namespace_is_refused(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    worker = (await world.workers("one"))[0]
    pod = {"metadata": {"name": "imposter"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    elsewhere = World(world.api, world.operator, "default")
    body = await world.api.call("POST", elsewhere.core("pods"), pod)
    answer = await worker.post("ready", Ready().to_bytes(), token=await elsewhere.token(body))
    assert (answer.status_code, answer.json()["message"]) == (
        403,
        "the token belongs to another namespace",
    )
    await world.api.call("DELETE", elsewhere.core("pods", "imposter"))


# --- the operator is killed -------------------------------------------------------------------


async def test_killed_between_start_and_report_the_verdict_still_comes(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    workers = await world.workers("one")
    await asyncio.gather(*(worker.at_barrier() for worker in workers))
    began = (await world.run("one"))["status"]["startTime"]
    assert (await workers[0].report()).status_code == 200
    world.operator.kill()
    late = asyncio.create_task(workers[1].report())
    world.operator.start()
    assert (await late).status_code == 200
    status = await world.until_done("one")
    assert (status["verdict"], status["summary"]["requests"]["sent"]) == ("Pass", ALL)
    assert status["startTime"] == began

    async def over() -> bool:
        return (await workers[0].post("ready", Ready().to_bytes())).status_code == 410

    await until("its workers are told that it is over", over)


async def test_killed_while_workers_are_ready_they_start_together_later(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    first, second = await world.workers("one")
    waiting = asyncio.create_task(first.work())

    async def one_ready() -> bool:
        return (await world.run("one"))["status"]["workers"]["ready"] == 1

    await until("one worker is ready", one_ready)
    world.operator.kill()
    world.operator.start()
    assert await asyncio.gather(waiting, second.work()) == [200, 200]
    assert (await world.until_done("one"))["verdict"] == "Pass"


async def test_asked_to_end_it_ends_with_0_and_the_run_goes_on(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    workers = await world.workers("one")
    working = [asyncio.create_task(worker.work(intervals=20)) for worker in workers]
    await world.until_phase("one", "Running")
    assert world.operator.stop() == 0
    world.operator.start()
    assert await asyncio.gather(*working) == [200, 200]
    assert (await world.until_done("one"))["summary"]["requests"]["sent"] == ALL


@pytest.mark.parametrize("seed", range(3))
async def test_killed_at_any_moments_the_run_ends_with_the_same_counts(
    world: World, seed: int
) -> None:
    chance = random.Random(seed)
    await world.apply_test()
    playing = asyncio.create_task(_play(world, "one"))
    await world.create_run("one")
    for _ in range(3):
        await asyncio.sleep(chance.uniform(0.05, 2.5))
        world.operator.kill()
        world.operator.start()
    status = await playing
    assert status["verdict"] == "Pass", status["message"]
    assert status["summary"]["iterations"] == {"planned": ALL, "started": ALL, "dropped": 0}
    assert status["summary"]["requests"]["sent"] == ALL
    assert status["workers"] == {"planned": WORKERS, "ready": WORKERS, "reported": WORKERS}
    events = [event["reason"] for event in await world.events("one")]
    assert (events.count("Started"), events.count("Pass")) == (1, 1), events


async def _play(world: World, run: str) -> dict[str, Any]:
    workers = await world.workers(run)
    await asyncio.gather(*(worker.work(intervals=20) for worker in workers))
    return await world.until_done(run)


# --- names are the lock -----------------------------------------------------------------------


async def test_request_runs_once_for_each_value(world: World) -> None:
    await world.apply_test()
    await world.until_ready()

    async def ask(value: str) -> None:
        note = {"metadata": {"annotations": {"perfrun.dev/run-requested-at": value}}}
        await world.api.merge(world.ours("perftests", "shop"), note)

        async def noted() -> bool:
            return (await world.test())["status"].get("lastRequest") == value

        await until(f"request {value} is noted", noted)

    await ask("monday")
    await ask("tuesday")
    assert len(await world.runs()) == 2
    await ask("monday")  # the name is taken, by the run of the first monday
    assert len(await world.runs()) == 2
    assert {run["spec"]["reason"] for run in await world.runs()} == {"Requested"}


async def test_name_that_another_tests_run_has_is_not_adopted_and_that_is_said(
    world: World,
) -> None:
    test = await world.apply_test()
    await world.apply_test("other", target={"http": {"url": "http://other"}})
    name = requested_run_name("shop", "monday")
    await world.create_run(name, "other")
    await world.until_phase(name, "Starting")
    note = {"metadata": {"annotations": {"perfrun.dev/run-requested-at": "monday"}}}
    await world.api.merge(world.ours("perftests", "shop"), note)

    async def said() -> dict[str, Any] | None:
        conditions = (await world.test()).get("status", {}).get("conditions", [])
        shown = {c["type"]: (c["status"], c["reason"]) for c in conditions}
        return shown if "Stalled" in shown else None

    assert await until("it is said on the test", said) == {
        "Ready": ("False", "NameTaken"),
        "Stalled": ("True", "NameTaken"),
    }
    told = [event for event in await world.events("shop") if event["reason"] == "NameTaken"]
    assert len(told) == 1
    assert name in told[0]["note"]
    owners = (await world.run(name))["metadata"]["ownerReferences"]
    assert test["metadata"]["uid"] not in {owner["uid"] for owner in owners}
    await world.api.call("DELETE", world.ours("perfruns", name))

    async def free() -> bool:
        run = await world.api.find(world.ours("perfruns", name))
        return run is not None and run["spec"]["testRef"]["name"] == "shop"

    await until("the name is free, and the run is there", free)

    async def accepted() -> bool:
        conditions = (await world.test())["status"]["conditions"]
        return [(c["type"], c["status"]) for c in conditions] == [("Ready", "True")]

    await until("nothing is stalled any more", accepted)


async def test_run_made_by_hand_gets_its_test_as_owner(world: World) -> None:
    test = await world.apply_test()
    await world.create_run("mine", labels={"team": "a"})
    await world.until_phase("mine", "Starting")
    meta = (await world.run("mine"))["metadata"]
    assert [(o["kind"], o["uid"], o["controller"]) for o in meta["ownerReferences"]] == [
        ("PerfTest", test["metadata"]["uid"], True)
    ]
    assert meta["labels"] == {"team": "a", "perfrun.dev/test": "shop"}


async def test_run_that_another_controller_made_keeps_it_and_runs(world: World) -> None:
    await world.apply_test()
    owner = await world.api.call("POST", world.core("configmaps"), {"metadata": {"name": "flow"}})
    mine = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "flow",
        "controller": True,
        "uid": owner["metadata"]["uid"],
    }
    await world.create_run("mine", ownerReferences=[mine])
    await world.until_phase("mine", "Starting")
    owners = (await world.run("mine"))["metadata"]["ownerReferences"]
    assert [(o["kind"], o["apiVersion"], o.get("controller", False)) for o in owners] == [
        ("ConfigMap", "v1", True),
        ("PerfTest", "perfrun.dev/v1alpha1", False),
    ]


# --- what is wrong is said --------------------------------------------------------------------


async def test_run_of_a_test_that_does_not_exist_is_an_error_with_a_sentence(world: World) -> None:
    await world.create_run("lost", "nowhere")
    status = await world.until_done("lost")
    assert status["verdict"] == "Error"
    assert "PerfTest nowhere does not exist" in status["message"]


async def test_test_that_only_the_operator_can_see_is_wrong_is_not_ready_with_the_field(
    world: World,
) -> None:
    await world.apply_test(schedule={"cron": "0 2 * * *", "timeZone": "Europe/Berln"})
    ready = await world.until_ready()
    assert (ready["status"], ready["reason"]) == ("False", "Invalid")
    assert "spec.schedule.timeZone" in ready["message"]
    assert "Europe/Berlin" in ready["message"]
    await world.create_run("one")
    assert "spec.schedule.timeZone" in (await world.until_done("one"))["message"]
    await world.change_test(schedule={"timeZone": "Europe/Berlin"})
    assert (await world.until_ready())["status"] == "True"
    assert (await world.test())["status"]["nextScheduleTime"]


async def test_worker_that_cannot_go_on_ends_the_run_with_its_sentence(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    worker = (await world.workers("one"))[0]
    trouble = Trouble(reason="Data", message="Secret shop has no key token")
    await worker.post("ready", Ready(trouble=trouble, final=True).to_bytes())
    status = await world.until_done("one")
    assert status["verdict"] == "Error"
    assert "Secret shop has no key token" in status["message"]


async def test_start_timeout_ends_the_run_with_the_pods_reason(world: World) -> None:
    await world.apply_test(load={"startTimeout": "4s"})
    await world.create_run("one")
    await world.workers("one")
    pod = (await world.pods("one"))[1]
    waiting = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "perfrun:test"'}
    await world.say_of_pod(
        pod,
        {
            "containerStatuses": [
                {
                    "name": "worker",
                    "image": "perfrun:test",
                    "imageID": "",
                    "ready": False,
                    "restartCount": 0,
                    "state": {"waiting": waiting},
                }
            ]
        },
    )
    status = await world.until_done("one")
    assert status["verdict"] == "Error"
    for part in ("4s (load.startTimeout)", "worker 1", "ImagePullBackOff", "perfrun:test"):
        assert part in status["message"]


async def test_worker_that_dies_before_the_start_ends_the_run_with_its_last_words(
    world: World,
) -> None:
    await world.apply_test()
    await world.create_run("one")
    await world.workers("one")
    ended = {"exitCode": 3, "reason": "Error", "message": "starting\nValueError: no such thing\n"}
    await world.say_of_pod(
        (await world.pods("one"))[0],
        {
            "phase": "Failed",
            "containerStatuses": [
                {
                    "name": "worker",
                    "image": "i",
                    "imageID": "",
                    "ready": False,
                    "restartCount": 0,
                    "state": {"terminated": ended},
                }
            ],
        },
    )
    status = await world.until_done("one")
    assert status["verdict"] == "Error"
    assert "exit code 3: ValueError: no such thing" in status["message"]


async def test_worker_that_dies_under_load_leaves_what_the_others_measured(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    first, second = await world.workers("one")
    await asyncio.gather(first.at_barrier(), second.at_barrier())
    await world.say_of_pod((await world.pods("one"))[1], {"phase": "Failed", "reason": "Evicted"})
    await first.report()
    status = await world.until_done("one")
    assert status["workers"] == {"planned": 2, "ready": 2, "reported": 1}
    assert status["summary"]["requests"]["sent"] == EACH
    assert status["verdict"] == "Inconclusive"


async def test_report_too_large_for_one_object_is_stored_in_pieces(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    first, second = await world.workers("one")
    await asyncio.gather(first.at_barrier(), second.at_barrier())
    report = first.measured()
    report.stopped = random.Random(1).randbytes(1_500_000).hex()
    assert (await first.insist("report", report.pack())).status_code == 200
    assert len(await world.config_maps("one", "report")) == 2
    world.operator.kill()
    world.operator.start()
    await second.report()
    status = await world.until_done("one")
    assert status["summary"]["requests"]["sent"] == ALL
    assert len(status["result"]["configMaps"]) == 2


async def test_report_whose_counts_do_not_add_up_ends_the_run_as_an_error(world: World) -> None:
    await world.apply_test(load={"workers": 1, "burst": {"requests": EACH, "concurrency": 1}})
    await world.create_run("one")
    (worker,) = await world.workers("one", 1)
    await worker.at_barrier()
    report = worker.measured()
    report.window.steps[0].succeeded += 1
    await worker.insist("report", report.pack())
    status = await world.until_done("one")
    assert status["verdict"] == "Error"
    assert "sent = succeeded" in status["message"]


async def test_job_that_somebody_deletes_ends_the_run(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    await world.workers("one")
    job = (await world.jobs("one"))[0]["metadata"]["name"]
    path = f"/apis/batch/v1/namespaces/{world.namespace}/jobs/{job}?propagationPolicy=Background"
    await world.api.call("DELETE", path)
    status = await world.until_done("one")
    assert status["verdict"] == "Error"
    assert "Job was deleted" in status["message"]


async def test_quota_that_forbids_the_plan_is_an_error_with_the_quotas_words(world: World) -> None:
    await world.api.call(
        "POST",
        world.core("resourcequotas"),
        {
            "metadata": {"name": "none"},
            "spec": {"hard": {"count/jobs.batch": "0"}},
        },
    )

    async def enforced() -> bool:
        quota = await world.api.call("GET", world.core("resourcequotas", "none"))
        return bool(quota.get("status", {}).get("hard"))

    await until("the quota is enforced", enforced)
    await world.apply_test()
    await world.create_run("one")
    status = await world.until_done("one")
    assert status["verdict"] == "Error"
    assert "exceeded quota" in status["message"]


# --- stop, suspend, delete --------------------------------------------------------------------


async def test_stop_while_starting_is_inconclusive_and_tidies_up(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    await world.workers("one")
    await world.api.merge(world.ours("perfruns", "one"), {"spec": {"stop": True}})
    status = await world.until_done("one")
    assert status["verdict"] == "Inconclusive"
    assert "spec.stop" in status["message"]

    async def gone() -> bool:
        return not await world.jobs("one")

    await until("its Job is gone", gone)


async def test_stop_under_load_is_told_to_the_workers_and_measured_so_far(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    workers = await world.workers("one")
    await asyncio.gather(*(worker.at_barrier() for worker in workers))
    await world.api.merge(world.ours("perfruns", "one"), {"spec": {"stop": True}})

    async def ordered() -> bool:
        return (await workers[0].interval()).json()["stop"] is not None

    await until("the workers are told to stop", ordered)
    for worker in workers:
        await worker.report()
    status = await world.until_done("one")
    assert (status["verdict"], status["stopped"]) == ("Inconclusive", "spec.stop was set")
    assert status["summary"]["requests"]["sent"] == ALL


async def test_suspended_test_runs_on_request_only(world: World) -> None:
    await world.apply_test(runOn=["Change"], suspend=True)
    ready = await world.until_ready()
    assert (ready["status"], ready["reason"]) == ("True", "Suspended")
    assert await world.runs() == []
    note = {"metadata": {"annotations": {"perfrun.dev/run-requested-at": "now"}}}
    await world.api.merge(world.ours("perftests", "shop"), note)
    (run,) = await world.until_runs(1)
    assert run["spec"]["reason"] == "Requested"
    await world.change_test(suspend=False)
    runs = await world.until_runs(2)
    assert sorted(run["spec"]["reason"] for run in runs) == ["Change", "Requested"]


async def test_run_deleted_under_load_takes_all_with_it(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    workers = await world.workers("one")
    await asyncio.gather(*(worker.at_barrier() for worker in workers))
    await world.api.call("DELETE", world.ours("perfruns", "one"))

    async def gone() -> bool:
        left = [
            *await world.jobs("one"),
            *await world.pods("one"),
            *await world.config_maps("one", "plan"),
        ]
        return not left and (await workers[0].post("interval", b"{}")).status_code == 410

    await until("nothing of it is left", gone)
    await world.create_run("one")  # the name is free again, and the target too
    assert (await world.finish("one"))["verdict"] == "Pass"


# --- the queue --------------------------------------------------------------------------------


async def test_second_run_of_a_target_waits_with_reason_and_position(world: World) -> None:
    await world.apply_test()
    await world.apply_test("same", target={"http": {"url": "http://SHOP:80/other"}})
    await world.create_run("one")
    await world.until_phase("one", "Starting")
    await world.create_run("two", "same")
    queued = (await world.until_phase("two", "Queued"))["status"]
    assert queued["queue"] == {
        "reason": f"{world.namespace}/one is loading shop.{world.namespace}:80",
        "position": 1,
    }
    assert queued["target"] == (await world.run("one"))["status"]["target"]
    await world.finish("one")
    started = (await world.until_phase("two", "Starting"))["status"]
    assert "queue" not in started


async def test_edit_does_not_touch_a_run_that_waits(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    await world.until_phase("one", "Starting")
    await world.create_run("two")
    frozen = (await world.until_phase("two", "Queued"))["status"]["revision"]
    await world.change_test(load={"burst": {"requests": 1000}})
    await world.until_ready()
    await world.finish("one")
    started = (await world.until_phase("two", "Starting"))["status"]
    assert started["revision"] == frozen
    assert (await world.finish("two"))["summary"]["iterations"]["planned"] == ALL


async def test_at_most_one_of_many_runs_has_the_target_whoever_is_killed(world: World) -> None:
    await world.apply_test()
    for number in range(6):
        await world.create_run(f"run-{number}")

    async def placed() -> bool:
        phases = [run.get("status", {}).get("phase") for run in await world.runs()]
        assert sum(phase in ("Starting", "Running", "Collecting") for phase in phases) <= 1
        return phases.count("Queued") == 5 and phases.count("Starting") == 1

    await until("one starts, five wait", placed)
    for _ in range(3):
        world.operator.kill()
        world.operator.start()
        await until("the operator is ready", world.operator.ready)
        await world.settled()
        assert await placed()
    first = next(run for run in await world.runs() if run["status"]["phase"] == "Starting")
    await world.finish(first["metadata"]["name"])

    async def next_starts() -> bool:
        phases = sorted(run["status"]["phase"] for run in await world.runs())
        assert sum(phase in ("Starting", "Running", "Collecting") for phase in phases) <= 1
        return phases == ["Done", *["Queued"] * 4, "Starting"]

    await until("the next one starts", next_starts)


async def test_waiting_run_whose_target_is_freed_by_a_deletion_starts(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    await world.until_phase("one", "Starting")
    await world.create_run("two")
    await world.until_phase("two", "Queued")
    await world.api.call("DELETE", world.ours("perfruns", "one"))
    await world.until_phase("two", "Starting", seconds=8)


async def test_deletion_while_the_operator_is_away_frees_the_target(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    await world.until_phase("one", "Starting")
    await world.create_run("two")
    await world.until_phase("two", "Queued")
    world.operator.kill()
    await world.api.call("DELETE", world.ours("perfruns", "one"))
    world.operator.start()
    await world.until_phase("two", "Starting")


async def test_of_waiting_changes_only_the_newest_is_kept(world: World) -> None:
    await world.apply_test(runOn=["Change"])
    (first,) = await world.until_runs(1)
    await world.until_phase(first["metadata"]["name"], "Starting")
    await world.change_test(variables={"region": "eu"})
    await world.until_runs(2)
    await world.change_test(variables={"region": "us"})
    await world.until_runs(3)

    async def superseded() -> list[str]:
        done = [
            run["status"]
            for run in await world.runs()
            if run.get("status", {}).get("phase") == "Done"
        ]
        return [status["message"] for status in done]

    (message,) = await until("one is superseded", superseded)
    assert "superseded by shop-c" in message


# --- change, history, revisions ---------------------------------------------------------------


async def test_changed_objective_runs_and_changed_limits_do_not(world: World) -> None:
    await world.apply_test(runOn=["Change"])
    (first,) = await world.until_runs(1)
    await world.finish(first["metadata"]["name"])
    await world.change_test(historyLimits={"passed": 5, "other": 5})
    await world.until_ready()
    assert len(await world.runs()) == 1
    await world.change_test(slos=[{"metric": "errorRate", "max": "1%"}])
    runs = await world.until_runs(2)
    assert {run["spec"]["reason"] for run in runs} == {"Change"}
    second = next(run for run in runs if run["metadata"]["name"] != first["metadata"]["name"])
    name = second["metadata"]["name"]
    keys = {
        (await world.until_phase(name, "Starting"))["status"]["comparisonKey"],
        (await world.run(first["metadata"]["name"]))["status"]["comparisonKey"],
    }
    assert len(keys) == 1


async def test_equal_specs_share_a_revision_and_unused_ones_are_trimmed(world: World) -> None:
    await world.apply_test(historyLimits={"passed": 1, "other": 1})
    for name in ("one", "two"):
        await world.create_run(name)
        await world.finish(name)

    async def trimmed() -> bool:
        return [run["metadata"]["name"] for run in await world.runs()] == ["two"]

    await until("the older run is trimmed", trimmed)
    assert len(await world.revisions()) == 1
    await world.change_test(variables={"region": "eu"})
    await world.create_run("three")
    status = await world.finish("three")

    async def only_the_new() -> bool:
        names = [revision["metadata"]["name"] for revision in await world.revisions()]
        return names == [status["revision"]]

    await until("the revision that no run needs is gone", only_the_new)


async def test_schedule_fires_at_its_minute_under_its_name(world: World) -> None:
    await world.apply_test(schedule={"cron": "* * * * *"})
    await world.until_ready()
    (run,) = await until("the minute comes", world.runs, seconds=70)
    minute = int(run["metadata"]["name"].removeprefix("shop-"))
    assert 0 <= time.time() - minute * 60 < 65
    assert run["spec"]["reason"] == "Scheduled"

    async def noted() -> bool:
        return (await world.test())["status"].get("lastScheduleTime") == run["spec"][
            "scheduledTime"
        ]

    await until("the test says so", noted)
