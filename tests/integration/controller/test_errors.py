"""What goes wrong ends the run with a sentence that says what."""

import asyncio
import random
from typing import Any

from perfrun.measure.report import Ready, Trouble
from tests.integration.controller.apiserver import Json, until
from tests.integration.controller.worker import EACH
from tests.integration.controller.world import ALL, World


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


async def test_spec_that_is_too_large_is_refused_and_the_largest_is_run(
    world: World,
) -> None:
    def steps(kib: int) -> list[Json]:
        sizes = [200, kib - 200]
        return [
            {"name": f"s{n}", "http": {"method": "POST", "path": "/", "body": "x" * (1024 * size)}}
            for n, size in enumerate(sizes)
        ]

    await world.apply_test(scenarios=[{"name": "all", "steps": steps(260)}])
    ready = await world.until_ready()
    assert (ready["status"], ready["reason"]) == ("False", "Invalid")
    assert "at most 256 KiB are allowed: move bodies" in ready["message"]
    await world.create_run("one")
    status = await world.until_done("one")
    assert status["verdict"] == "Error"
    assert "at most 256 KiB are allowed" in status["message"]
    await world.change_test(scenarios=[{"name": "all", "steps": steps(250)}])
    assert (await world.until_ready())["status"] == "True"
    await world.create_run("two")
    assert len(await world.workers("two")) == 2
    (plan,) = await world.config_maps("two", "plan")
    assert len(plan["data"]["plan.json"]) > 245 * 1024


async def test_worker_that_cannot_go_on_ends_the_run_with_its_sentence(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    worker = (await world.workers("one"))[0]
    trouble = Trouble(reason="Data", message="there is no Secret shop with a key token")
    await worker.post("ready", Ready(trouble=trouble, final=True).to_bytes())
    status = await world.until_done("one")
    assert status["verdict"] == "Error"
    assert "there is no Secret shop with a key token" in status["message"]


async def test_what_a_starting_run_waits_for_is_its_message_until_it_starts(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    workers = await world.workers("one")
    trouble = Trouble(reason="DNS", message="shpo could not be resolved")
    await workers[0].post("ready", Ready(trouble=trouble).to_bytes())
    told = await until_progress(world, "one", "shpo could not be resolved")
    assert (await world.run("one"))["status"]["message"] == told == f"worker 0: {trouble.message}"
    await asyncio.gather(*(worker.at_barrier() for worker in workers))
    running = (await world.until_phase("one", "Running"))["status"]
    assert "message" not in running
    assert "shpo" not in running.get("progress", "")


async def test_start_timeout_ends_the_run_with_the_pods_reason(world: World) -> None:
    await world.apply_test(load={"startTimeout": "4s"})
    await world.create_run("one")
    await world.workers("one")
    pod = (await world.pods("one"))[1]
    waiting = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "perfrun:test"'}
    await world.say_of_pod(
        pod,
        {"containerStatuses": [container("worker", waiting=waiting)]},
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
            "containerStatuses": [container("worker", terminated=ended)],
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


async def test_worker_that_dies_beside_a_side_car_that_never_ends_is_lost_with_its_reason(
    world: World,
) -> None:
    await world.apply_test()
    await world.create_run("one")
    first, second = await world.workers("one")
    await asyncio.gather(first.at_barrier(), second.at_barrier())
    await world.say_of_pod(
        (await world.pods("one"))[1],
        {
            "phase": "Running",
            "containerStatuses": [
                container("istio-proxy", running={"startedAt": "2026-01-01T00:00:00Z"}),
                container("worker", terminated={"exitCode": 137, "reason": "OOMKilled"}),
            ],
        },
    )
    await first.report()
    status = await world.until_done("one")
    assert (status["verdict"], status["workers"]["reported"]) == ("Inconclusive", 1)
    assert "lost: worker 1 (" in status["message"]
    assert "OOMKilled" in status["message"]


async def test_report_with_a_text_of_megabytes_is_refused_and_the_right_one_outlives_the_operator(
    world: World,
) -> None:
    await world.apply_test()
    await world.create_run("one")
    first, second = await world.workers("one")
    await asyncio.gather(first.at_barrier(), second.at_barrier())
    report = first.measured()
    report.stopped = random.Random(1).randbytes(1_500_000).hex()
    assert (await first.insist("report", report.pack())).status_code == 400
    assert await world.config_maps("one", "report") == []
    assert (await first.report()).status_code == 200
    world.operator.kill()
    world.operator.start()
    await second.report()
    status = await world.until_done("one")
    assert status["summary"]["requests"]["sent"] == ALL
    assert len(status["result"]["configMaps"]) == 1


async def test_report_whose_counts_do_not_add_up_is_refused_at_the_door(world: World) -> None:
    await world.apply_test(load={"workers": 1, "burst": {"requests": EACH, "concurrency": 1}})
    await world.create_run("one")
    (worker,) = await world.workers("one", 1)
    await worker.at_barrier()
    report = worker.measured()
    report.window.steps[0].succeeded += 1
    refused = await worker.insist("report", report.pack())
    assert refused.status_code == 400
    assert "sent = succeeded" in refused.text
    assert await world.config_maps("one", "report") == []
    await worker.report()
    assert (await world.until_done("one"))["verdict"] == "Pass"


async def test_job_that_somebody_deletes_ends_the_run(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    await world.workers("one")
    await world.delete_job("one")
    status = await world.until_done("one")
    assert status["verdict"] == "Error"
    assert "Job was deleted" in status["message"]


async def test_quota_that_forbids_the_plan_is_an_error_with_the_quotas_words(world: World) -> None:
    await forbid(world, "count/jobs.batch")
    await world.apply_test()
    await world.create_run("one")
    status = await world.until_done("one")
    assert status["verdict"] == "Error"
    assert "exceeded quota" in status["message"]


async def test_pods_over_quota_are_told_and_waited_for_until_the_quota_has_room(
    world: World,
) -> None:
    await forbid(world, "pods")
    await world.apply_test()
    await world.create_run("one")
    told = await until_progress(world, "one", "exceeded quota: none")
    assert told.startswith("2 of 2 workers' pods were not created: pods ")
    assert (await world.run("one"))["status"]["message"] == told
    await world.api.call("DELETE", world.core("resourcequotas", "none"))
    assert (await world.finish("one"))["verdict"] == "Pass"


async def test_pods_over_quota_until_the_timeout_end_the_run_with_the_quotas_words(
    world: World,
) -> None:
    await forbid(world, "pods", 1)
    await world.apply_test(load={"startTimeout": "5s"})
    await world.create_run("one")
    status = await world.until_done("one")
    assert status["verdict"] == "Error"
    for part in ("5s (load.startTimeout)", "1 of 2 workers' pods", "exceeded quota: none"):
        assert part in status["message"]


async def test_pods_that_a_limit_range_refuses_end_the_run_long_before_the_timeout(
    world: World,
) -> None:
    limits = [{"type": "Container", "max": {"memory": "16Mi"}}]
    body = {"metadata": {"name": "small"}, "spec": {"limits": limits}}
    await world.api.call("POST", world.core("limitranges"), body)
    await world.apply_test()
    await world.create_run("one")
    status = await world.until_done("one", seconds=45)
    assert status["verdict"] == "Error"
    assert "2 of 2 workers' pods were not created: pods " in status["message"]
    assert "maximum memory usage per Container is 16Mi" in status["message"]


async def test_quota_that_forbids_the_result_leaves_the_verdict(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    workers = await world.workers("one")
    await asyncio.gather(*(worker.at_barrier() for worker in workers))
    assert (await workers[0].report()).status_code == 200
    # The namespace's own, the plan and two reports; the result would be one more.
    there = len(await world.api.items(world.core("configmaps")))
    await forbid(world, "count/configmaps", there + 1)
    assert (await workers[1].report()).status_code == 200
    status = await world.until_done("one")
    assert (status["verdict"], status["summary"]["requests"]["sent"]) == ("Pass", ALL)
    assert "result" not in status
    (told,) = await world.until_events("one", "ResultNotKept")
    assert "exceeded quota" in told["note"]


async def test_quota_on_runs_is_said_on_the_test(world: World) -> None:
    await forbid(world, "count/perfruns.perfrun.dev")
    await world.apply_test(runOn=["Change"])
    ready = await world.until_ready()
    assert (ready["status"], ready["reason"]) == ("False", "Refused")
    assert "exceeded quota" in ready["message"]


async def test_quota_on_revisions_is_an_error_of_the_run(world: World) -> None:
    await forbid(world, "count/controllerrevisions.apps")
    await world.apply_test()
    await world.create_run("one")
    status = await world.until_done("one")
    assert status["verdict"] == "Error"
    assert "exceeded quota" in status["message"]


async def test_worker_that_runs_and_is_never_heard_is_told_on_the_run(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    await world.workers("one")
    long_ago = {"startedAt": "2026-01-01T00:00:00Z"}
    pod = (await world.pods("one"))[1]
    statuses = [container("worker", running=long_ago)]
    await world.say_of_pod(pod, {"phase": "Running", "containerStatuses": statuses})

    async def told() -> bool:
        progress = (await world.run("one"))["status"].get("progress", "")
        return "worker 1" in progress and "check the egress NetworkPolicies" in progress

    await until("the run says where to look", told, seconds=60)


def container(name: str, **state: Any) -> Json:
    return {
        "name": name,
        "image": "i",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": state,
    }


async def until_progress(world: World, run: str, part: str) -> str:
    """The progress of a run, once it has these words."""

    async def look() -> str | None:
        progress = str((await world.run(run)).get("status", {}).get("progress", ""))
        return progress if part in progress else None

    return await until(f"the progress of {run} has: {part}", look)


async def forbid(world: World, what: str, most: int = 0) -> None:
    """A quota on one kind of object, once it is enforced."""
    body = {"metadata": {"name": "none"}, "spec": {"hard": {what: str(most)}}}
    await world.api.call("POST", world.core("resourcequotas"), body)

    async def enforced() -> bool:
        quota = await world.api.call("GET", world.core("resourcequotas", "none"))
        return bool(quota.get("status", {}).get("used"))

    await until("the quota is enforced", enforced)
