"""Runs after rollouts of a Deployment with its real controller."""

from tests.integration.controller.apiserver import Json, until
from tests.integration.controller.world import World


class Api:
    """A Deployment, and the kubelet of its pods: this test says which of them are ready."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._all = f"/apis/apps/v1/namespaces/{world.namespace}/deployments"

    async def create(self) -> None:
        labels = {"app": "api"}
        template = {"metadata": {"labels": labels}, "spec": _containers("api:1")}
        spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"}}
        await self._world.api.call("POST", self._all, {**body, "spec": spec})

    async def roll_out(self, image: str) -> None:
        change = {"spec": {"template": {"spec": _containers(image)}}}
        await self._world.api.merge(f"{self._all}/api", change)

    async def pod_is_ready(self, image: str) -> None:
        """Once it is there."""
        path = f"{self._world.core('pods')}?labelSelector=app=api"

        async def look() -> Json | None:
            pods = await self._world.api.items(path)
            return next((p for p in pods if p["spec"]["containers"][0]["image"] == image), None)

        pod = await until(f"there is a pod of {image}", look)
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        await self._world.say_of_pod(pod, ready)


def _containers(image: str) -> Json:
    return {"containers": [{"name": "api", "image": image}]}


async def _reasons(world: World) -> list[str]:
    return [run["spec"]["reason"] for run in await world.runs()]


async def test_a_rollout_that_is_complete_starts_one_run(world: World) -> None:
    observe = [{"name": "api", "workload": {"kind": "Deployment", "name": "api"}}]
    await world.apply_test(runOn=["Rollout"], observe=observe)
    ready = await world.until_ready()
    assert "spec.observe[0].workload: there is no Deployment api" in ready["message"]
    api = Api(world)
    await api.create()
    await api.pod_is_ready("api:1")

    async def noted(than: str | None = None) -> str | None:
        last: str | None = (await world.test())["status"].get("lastRollout")
        return last if last != than else None

    first = await until("what stands is noted", noted, 30)
    assert await _reasons(world) == []
    await api.roll_out("api:2")
    await world.change_test(historyLimits={"passed": 7})
    await world.settled()
    assert await _reasons(world) == []
    await api.pod_is_ready("api:2")

    async def second() -> str | None:
        return await noted(first)

    await until("the rollout is noted", second, 30)
    assert await _reasons(world) == ["Rollout"]
    (run,) = await world.runs()
    assert run["metadata"]["name"].startswith("shop-o")
    await _looks_again(world)
    assert await _reasons(world) == ["Rollout"]
    await _is_run_beside(world, run["metadata"]["name"])


async def _is_run_beside(world: World, run: str) -> None:
    """Its workers keep away from what is observed, and it says how that stood."""
    await world.workers(run)
    for pod in await world.pods(run):
        ((term,),) = pod["spec"]["affinity"]["podAntiAffinity"].values()
        assert term["podAffinityTerm"]["labelSelector"] == {"matchLabels": {"app": "api"}}
    status = await world.finish(run)
    (workload,) = status["environment"]["workloads"]
    assert (workload["name"], workload["images"]) == ("api", {"api": "api:2"})


async def _looks_again(world: World) -> None:
    await world.change_test(historyLimits={"passed": 8})
    ready: Json = await world.until_ready()
    assert ready["status"] == "True"
