"""One namespace of a test: what is in it, what is to come, and its workers."""

import asyncio
import ssl
import time
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.operator import Operator
from tests.integration.controller.apiserver import PATIENCE_S, Api, Json, until
from tests.integration.controller.worker import EACH, Worker

PERFRUN = "/apis/perfrun.dev/v1alpha1"
WORKERS = 2
ALL = WORKERS * EACH
"""Requests of a run whose workers have all reported."""


@dataclass
class World:
    """One namespace of a test, and the operator that watches it."""

    api: Api
    operator: Operator
    namespace: str
    nodes: list[str] = field(default_factory=list)
    """The nodes that were made for its pods."""

    # --- objects -------------------------------------------------------------------------------

    def core(self, plural: str, name: str = "") -> str:
        return f"/api/v1/namespaces/{self.namespace}/{plural}/{name}".rstrip("/")

    def ours(self, plural: str, name: str = "") -> str:
        return f"{PERFRUN}/namespaces/{self.namespace}/{plural}/{name}".rstrip("/")

    async def apply_test(self, name: str = "shop", load: Json | None = None, **spec: Any) -> Json:
        """A PerfTest that runs on request only; ``load`` is over a burst of all workers, and has
        None for what is to be left out of it."""
        burst = {"requests": WORKERS * EACH, "concurrency": WORKERS}
        merged = {"workers": WORKERS, "burst": burst, **(load or {})}
        body = {
            "apiVersion": "perfrun.dev/v1alpha1",
            "kind": "PerfTest",
            "metadata": {"name": name},
            "spec": {
                "target": {"http": {"url": "http://shop/health"}},
                "load": {field: value for field, value in merged.items() if value is not None},
                "slos": [{"metric": "successRate", "min": "100%"}],
                "runOn": [],
                **spec,
            },
        }
        return await self.api.call("POST", self.ours("perftests"), body)

    async def change_test(self, name: str = "shop", **spec: Any) -> Json:
        return await self.api.merge(self.ours("perftests", name), {"spec": spec})

    async def create_run(self, name: str, test: str = "shop", **metadata: Any) -> Json:
        body = {
            "apiVersion": "perfrun.dev/v1alpha1",
            "kind": "PerfRun",
            "metadata": {"name": name, **metadata},
            "spec": {"testRef": {"name": test}},
        }
        return await self.api.call("POST", self.ours("perfruns"), body)

    async def test(self, name: str = "shop") -> Json:
        return await self.api.call("GET", self.ours("perftests", name))

    async def run(self, name: str) -> Json:
        return await self.api.call("GET", self.ours("perfruns", name))

    async def runs(self) -> list[Json]:
        return await self.api.items(self.ours("perfruns"))

    async def phase(self, name: str) -> str | None:
        run = await self.api.find(self.ours("perfruns", name))
        return run.get("status", {}).get("phase") if run else None

    async def pods(self, run: str) -> list[Json]:
        """Its workers' pods, by index."""
        found = await self.api.items(f"{self.core('pods')}?labelSelector=perfrun.dev/run={run}")
        return sorted(found, key=lambda pod: pod["metadata"]["name"])

    async def jobs(self, run: str) -> list[Json]:
        path = f"/apis/batch/v1/namespaces/{self.namespace}/jobs"
        return await self.api.items(f"{path}?labelSelector=perfrun.dev/run={run}")

    async def delete_job(self, run: str) -> None:
        """As ``kubectl delete job -l perfrun.dev/run=RUN`` does."""
        job = (await self.jobs(run))[0]["metadata"]["name"]
        path = f"/apis/batch/v1/namespaces/{self.namespace}/jobs/{job}"
        await self.api.call("DELETE", f"{path}?propagationPolicy=Background")

    async def config_maps(self, run: str, content: str) -> list[Json]:
        labels = f"perfrun.dev/run={run},perfrun.dev/content={content}"
        return await self.api.items(f"{self.core('configmaps')}?labelSelector={labels}")

    async def revisions(self) -> list[Json]:
        return await self.api.items(
            f"/apis/apps/v1/namespaces/{self.namespace}/controllerrevisions"
        )

    async def events(self, name: str) -> list[Json]:
        found = await self.api.items(f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events")
        return [event for event in found if event["regarding"]["name"] == name]

    # --- waiting -------------------------------------------------------------------------------

    async def until_phase(self, run: str, phase: str, seconds: float = PATIENCE_S) -> Json:
        async def look() -> Json | None:
            body = await self.api.find(self.ours("perfruns", run))
            status = (body or {}).get("status", {})
            if phase != "Done" and status.get("phase") == "Done":
                raise AssertionError(f"run {run} is {status['verdict']}: {status['message']}")
            return body if status.get("phase") == phase else None

        return await until(f"run {run} is {phase}", look, seconds)

    async def until_done(self, run: str, seconds: float = PATIENCE_S) -> Json:
        status: Json = (await self.until_phase(run, "Done", seconds))["status"]
        return status

    async def until_runs(self, count: int) -> list[Json]:
        async def look() -> list[Json] | None:
            runs = await self.runs()
            return runs if len(runs) == count else None

        return await until(f"there are {count} runs", look)

    async def until_events(self, name: str, reason: str) -> list[Json]:
        """The events of a reason about an object; they follow what they tell of."""

        async def look() -> list[Json]:
            return [event for event in await self.events(name) if event["reason"] == reason]

        return await until(f"{reason} is told of {name}", look)

    async def until_ready(self, test: str = "shop", generation: int | None = None) -> Json:
        """The Ready condition of a test, once the operator has looked at that generation."""

        async def look() -> Json | None:
            body = await self.test(test)
            seen = body.get("status", {}).get("observedGeneration")
            if seen is None or seen < (generation or body["metadata"]["generation"]):
                return None
            conditions: list[Json] = body["status"]["conditions"]
            return next(c for c in conditions if c["type"] == "Ready")

        return await until(f"test {test} was looked at", look)

    async def settled(self) -> None:
        """Until the operator has gone through all that it knows of by now: a probe goes last."""
        probe = f"probe-{time.monotonic_ns()}"
        await self.apply_test(probe, suspend=True)
        await self.until_ready(probe)
        await self.api.call("DELETE", self.ours("perftests", probe))

    # --- workers -------------------------------------------------------------------------------

    async def workers(self, run: str, count: int = WORKERS) -> list[Worker]:
        """The workers of a run, once the Job controller has made their pods."""

        async def look() -> list[Json] | None:
            pods = await self.pods(run)
            return pods if len(pods) == count else None

        pods = await until(f"run {run} has {count} pods", look)
        uid = (await self.run(run))["metadata"]["uid"]
        plan = (await self.config_maps(run, "plan"))[0]["data"]
        context = ssl.create_default_context(cadata=plan["ca.crt"])
        return [
            Worker(index, uid, self.operator.coordinator, await self.token(pod), context)
            for index, pod in enumerate(pods)
        ]

    async def token(self, pod: Json | None, audience: str = "perfrun.dev") -> str:
        """What the kubelet would mount: a token for one audience, bound to a pod."""
        spec: Json = {"audiences": [audience], "expirationSeconds": 600}
        if pod is not None:
            about = pod["metadata"]
            spec["boundObjectRef"] = {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": about["name"],
                "uid": about["uid"],
            }
        account = "default" if pod is None else pod["spec"]["serviceAccountName"]
        path = self.core("serviceaccounts", f"{account}/token")
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return str((await self.api.call("POST", path, body))["status"]["token"])

    async def say_of_pod(self, pod: Json, status: Json) -> None:
        """What a kubelet or scheduler would write."""
        await self.api.merge(
            self.core("pods", f"{pod['metadata']['name']}/status"), {"status": status}
        )

    async def be_on_node(self, pod: Json) -> str:
        """What the scheduler would do: give the pod a node, made for it, which has no kubelet.
        Gives the node's name."""
        name = f"{self.namespace}-{pod['metadata']['name']}"
        await self.api.call("POST", "/api/v1/nodes", {"metadata": {"name": name}})
        self.nodes.append(name)
        binding = {"metadata": {"name": pod["metadata"]["name"]}, "target": {"name": name}}
        await self.api.call(
            "POST", self.core("pods", f"{pod['metadata']['name']}/binding"), binding
        )
        return name

    async def finish(self, run: str) -> Json:
        """Play all workers of a run to its end. Gives its status."""
        workers = await self.workers(run)
        assert await asyncio.gather(*(worker.work() for worker in workers)) == [200] * len(workers)
        return await self.until_done(run)
