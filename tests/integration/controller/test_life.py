"""The life of a run against a real API server: the world after each step."""

import asyncio
from pathlib import Path
from time import monotonic
from typing import Any

from tests.cluster.handle import ApiServer
from tests.cluster.operator import Operator, kubeconfig_of
from tests.integration.controller.apiserver import until
from tests.integration.controller.world import ALL, WORKERS, World


async def test_run_goes_from_nothing_to_pass_and_leaves_only_its_result(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    workers = await world.workers("one")
    assert await world.phase("one") == "Starting"
    starts = await asyncio.gather(*(worker.at_barrier() for worker in workers))
    assert all(start.start_in is not None for start in starts)
    status = (await world.run("one"))["status"]
    assert (status["phase"], status["conditions"][0]["reason"]) == ("Running", "Running")
    assert (await workers[0].interval()).json()["stop"] is None
    await asyncio.sleep(max(start.start_in or 0 for start in starts) / 1e9)
    for worker in workers:
        assert (await worker.report()).status_code == 200
    status = await world.until_done("one")
    assert (status["verdict"], status["summary"]["requests"]["sent"]) == ("Pass", ALL)
    assert status["workers"] == {"planned": WORKERS, "ready": WORKERS, "reported": WORKERS}
    assert status["startTime"] <= status["completionTime"]
    assert "notCompared" not in status
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
    assert len(await world.until_events("one", "Pass")) == 1
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


async def test_operator_of_some_namespaces_does_all_with_the_rights_in_them(
    world: World, server: ApiServer, tmp_path: Path
) -> None:
    assert world.operator.stop() == 0
    system = f"{world.namespace}-system"
    rights = kubeconfig_of(server, tmp_path, system, world.namespace)
    own = Operator(rights, tmp_path, system, world.namespace)
    own.start()
    try:
        await until("the operator is ready", own.ready)
        here = World(world.api, own, world.namespace)
        await here.apply_test(historyLimits={"passed": 0, "other": 0}, runOn=["Change"])
        (run,) = await here.until_runs(1)
        name = run["metadata"]["name"]
        workers = await here.workers(name)
        await asyncio.gather(*(worker.work() for worker in workers))

        async def trimmed() -> bool:
            return not await here.runs() and not await here.jobs(name)

        await until("it is done and trimmed", trimmed)
        assert len(await here.until_events(name, "Pass")) == 1
    finally:
        own.kill()
    assert "forbidden: User" not in own.log.read_text()


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


async def test_run_under_load_costs_the_api_server_little(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    workers = await world.workers("one")
    await asyncio.gather(*(worker.at_barrier() for worker in workers))
    await world.until_phase("one", "Running")
    # Pods are listed with each look at the Job; others (the end of a namespace) list them too.
    counted = (("GET", "jobs"), ("GET", "perfruns"), ("PATCH", "perfruns"))
    before = [await world.api.requests(*what) for what in counted]
    begin = monotonic()
    for sequence in range(1, 13):
        for worker in workers:
            await worker.interval(sequence)
        await asyncio.sleep(1)
    after = [await world.api.requests(*what) for what in counted]
    tens, fives = (int((monotonic() - begin) / period) + 1 for period in (10, 5))
    # The Job every 10 s; every 5 s the run, and its progress, which reads it once more.
    most = (tens, 2 * fives, fives)
    spent = [there - here for there, here in zip(after, before, strict=True)]
    assert all(used <= bound for used, bound in zip(spent, most, strict=True)), spent
    for worker in workers:
        await worker.report()
    await world.until_done("one")


async def test_what_proved_nothing_is_done_again_as_often_as_the_test_says(world: World) -> None:
    unprovable = [{"metric": "latency.p999", "max": "1s"}]
    await world.apply_test(slos=unprovable, retryInconclusive=1)
    await world.create_run("one")
    ended = await world.finish("one")
    assert (ended["verdict"], ended["notCompared"]) == (
        "Inconclusive",
        "its verdict is Inconclusive",
    )
    runs = await world.until_runs(2)
    again = next(run for run in runs if run["spec"]["reason"] == "Retry")["metadata"]["name"]
    assert (await world.finish(again))["verdict"] == "Inconclusive"
    await world.settled()
    assert len(await world.runs()) == 2
    assert (await world.test())["status"]["lastRetry"] == again
