"""Uninstalled while runs are in progress: they end as any other run does."""

from pathlib import Path

from tests.cluster.handle import ApiServer
from tests.cluster.operator import Operator, kubeconfig_again
from tests.integration.controller.apiserver import until
from tests.integration.controller.world import World

PASSING = {"queue", "progress", "launchError", "result"}


async def test_runs_in_progress_and_waiting_have_an_end_like_any_other(
    world: World, server: ApiServer, tmp_path: Path
) -> None:
    await world.apply_test()
    await world.create_run("one")
    await world.workers("one")
    await world.create_run("waits")
    await world.until_phase("waits", "Queued")
    assert world.operator.stop() == 0
    await world.create_run("new")
    hook = Operator(
        kubeconfig_again(server, tmp_path),
        tmp_path,
        watch=world.namespace,
        pod="hook",
        module="perfrun.controller.uninstall",
    )
    hook.start()
    assert await hook.ended(60) == 0, hook.log.read_text()
    for name in ("one", "waits", "new"):
        run = await world.run(name)
        status = run["status"]
        assert (status["phase"], status["verdict"]) == ("Done", "Inconclusive")
        assert "uninstalled" in status["message"]
        assert status["observedGeneration"] == run["metadata"]["generation"]
        assert {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]} == {
            "Complete": ("True", "Finished"),
            "SLOMet": ("Unknown", "Inconclusive"),
        }
        assert not PASSING & status.keys()
    assert (await world.run("one"))["status"]["revision"].startswith("shop-")

    async def gone() -> bool:
        return not await world.jobs("one")

    await until("its Job is gone", gone)
