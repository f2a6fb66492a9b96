"""The real operator as a process against a real API server, and workers that are played by hand.

There is no kubelet: the pods that the Job controller makes stay Pending, and a test says of them
what a kubelet would, and speaks to the coordinator as their containers would.
"""

import asyncio
import base64
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from perfrun.measure.histogram import Histogram
from perfrun.measure.report import Interval, Ready, Start, WorkerReport
from tests.cluster.components import free_port
from tests.cluster.handle import ApiServer
from tests.unit.logic import build

Json = dict[str, Any]

SYSTEM = "perfrun-system"
SECRET = "perfrun-coordinator-tls"
REPO = Path(__file__).resolve().parents[2]
CHART = REPO / "charts/perfrun"
PATIENCE_S = 30.0
POLL_S = 0.05
WORKERS = 2
EACH = 20
"""Requests that a played worker reports."""

PERFRUN = "/apis/perfrun.dev/v1alpha1"


class Api:
    """The API server as an administrator sees it."""

    def __init__(self, server: ApiServer, folder: Path) -> None:
        config = json.loads(server.kubeconfig.read_text())
        user, cluster = config["users"][0]["user"], config["clusters"][0]["cluster"]
        pair = folder / "admin.pem"
        pair.touch(mode=0o600)
        pair.write_bytes(
            base64.b64decode(user["client-certificate-data"])
            + base64.b64decode(user["client-key-data"])
        )
        self.ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
        context = ssl.create_default_context(cadata=self.ca)
        context.load_cert_chain(pair)
        self._http = httpx.AsyncClient(
            base_url=server.url, verify=context, timeout=20, trust_env=False
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def call(self, method: str, path: str, body: Json | None = None, **more: Any) -> Json:
        response = await self._http.request(method, path, json=body, **more)
        assert response.status_code < 400, f"{method} {path}: {response.text}"
        return response.json()

    async def find(self, path: str) -> Json | None:
        response = await self._http.get(path)
        if response.status_code == 404:
            return None
        response.raise_for_status()
        return response.json()

    async def items(self, path: str) -> list[Json]:
        return (await self.call("GET", path))["items"]

    async def merge(self, path: str, body: Json) -> Json:
        headers = {"Content-Type": "application/merge-patch+json"}
        return await self.call("PATCH", path, body, headers=headers)


async def until(what: str, look: Callable[[], Awaitable[Any]], seconds: float = PATIENCE_S) -> Any:
    """The first true answer of ``look`` (an async function), asked for a bounded time."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := await look():
            return answer
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not: {what}"
        await asyncio.sleep(POLL_S)


class Operator:
    """``python -m perfrun.controller``, with the rights of the chart's service account."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self.log = folder / "operator.log"
        self.http = f"http://127.0.0.1:{free_port()}"
        self.coordinator = f"https://127.0.0.1:{free_port()}"
        self._kubeconfig = kubeconfig
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        env = {
            **os.environ,
            "KUBECONFIG": str(self._kubeconfig),
            "PERFRUN_NAMESPACE": SYSTEM,
            "PERFRUN_WORKER_IMAGE": "perfrun:test",
            "PERFRUN_COORDINATOR_URL": self.coordinator,
            "PERFRUN_TLS_SECRET": SECRET,
            "PERFRUN_LOG_LEVEL": "DEBUG",
            "PERFRUN_LISTEN_HTTP": self.http.rpartition(":")[2],
            "PERFRUN_LISTEN_COORDINATOR": self.coordinator.rpartition(":")[2],
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "perfrun.controller"], env=env, stdout=log, stderr=log
            )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """As the kernel would: it gets to do nothing any more."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> int:
        """As the kubelet would. Gives the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(20)

    async def ready(self) -> bool:
        assert self.running, f"the operator has ended: {self.log.read_text()[-3000:]}"
        async with httpx.AsyncClient(trust_env=False) as http:
            try:
                return (await http.get(f"{self.http}/readyz")).status_code == 200
            except httpx.TransportError:
                return False

    async def metrics(self) -> str:
        async with httpx.AsyncClient(trust_env=False) as http:
            return (await http.get(f"{self.http}/metrics")).text


def kubeconfig_of(server: ApiServer, folder: Path) -> Path:
    """Install the chart's rights, and log in with a token of its service account."""
    server.kubectl("create", "namespace", SYSTEM)
    shown = [f"--show-only=templates/{name}.yaml" for name in ("rbac", "serviceaccount", "secret")]
    rendered = server.helm("template", "perfrun", CHART, "--namespace", SYSTEM, *shown).stdout
    server.kubectl("apply", "-f", "-", input=rendered)
    token = server.kubectl("-n", SYSTEM, "create", "token", "perfrun", "--duration=2h").stdout
    config = json.loads(server.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token.strip()}
    path = folder / "operator.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    return path


@dataclass
class Worker:
    """One worker, played: the container of a pod that no kubelet has started."""

    index: int
    uid: str
    base: str
    token: str
    context: ssl.SSLContext
    each: int = EACH
    log: list[str] = field(default_factory=list)

    async def post(
        self,
        what: str,
        body: bytes,
        *,
        index: int | None = None,
        uid: str | None = None,
        token: str | None = None,
    ) -> httpx.Response:
        where = self.index if index is None else index
        url = f"{self.base}/v1/runs/{uid or self.uid}/workers/{where}/{what}"
        bearer = self.token if token is None else token
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        async with httpx.AsyncClient(verify=self.context, timeout=15, trust_env=False) as http:
            return await http.post(url, content=body, headers=headers)

    async def insist(self, what: str, body: bytes, seconds: float = PATIENCE_S) -> httpx.Response:
        """Send until it is taken or turned away for good, as a real worker does."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                response = await self.post(what, body)
            except httpx.TransportError as error:
                self.log.append(f"{what}: {error!r}")
            else:
                self.log.append(f"{what}: {response.status_code} {response.text}")
                if response.status_code != 503:
                    return response
            assert time.monotonic() < deadline, f"worker {self.index} gave up: {self.log[-5:]}"
            await asyncio.sleep(POLL_S)

    async def at_barrier(self, ready: Ready | None = None) -> Start:
        """Ready until the barrier opens, or the run ends."""
        while True:
            response = await self.insist("ready", (ready or Ready(ceiling=1000.0)).to_bytes())
            if response.status_code == 410:
                return Start(stop="over")
            assert response.status_code == 200, response.text
            start = Start.model_validate_json(response.content)
            if start.start_in is not None or start.stop is not None:
                return start

    async def interval(self, sequence: int = 1) -> httpx.Response:
        return await self.insist(
            "interval",
            Interval(
                sequence=sequence,
                elapsed=sequence * build.S,
                in_flight=0,
                planned=self.each,
                started=self.each,
                dropped=0,
                sent=self.each,
                succeeded=self.each,
                failed=0,
                latency=Histogram(),
            ).to_bytes(),
        )

    def measured(self) -> WorkerReport:
        return build.report(build.step([5 * build.MS] * self.each), window=build.S)

    async def report(self) -> httpx.Response:
        return await self.insist("report", self.measured().pack())

    async def work(self, intervals: int = 2) -> int:
        """The whole life of a worker. Gives the status of its last word."""
        start = await self.at_barrier()
        if start.stop is not None:
            return 410
        for sequence in range(1, intervals + 1):
            await self.interval(sequence)
            await asyncio.sleep(POLL_S)
        return (await self.report()).status_code


@dataclass
class World:
    """One namespace of a test, and the operator that watches it."""

    api: Api
    operator: Operator
    namespace: str

    # --- objects -------------------------------------------------------------------------------

    def core(self, plural: str, name: str = "") -> str:
        return f"/api/v1/namespaces/{self.namespace}/{plural}/{name}".rstrip("/")

    def ours(self, plural: str, name: str = "") -> str:
        return f"{PERFRUN}/namespaces/{self.namespace}/{plural}/{name}".rstrip("/")

    async def apply_test(self, name: str = "shop", load: Json | None = None, **spec: Any) -> Json:
        """A PerfTest that runs on request only; ``load`` is over a burst of all workers."""
        body = {
            "apiVersion": "perfrun.dev/v1alpha1",
            "kind": "PerfTest",
            "metadata": {"name": name},
            "spec": {
                "target": {"http": {"url": "http://shop/health"}},
                "load": {
                    "workers": WORKERS,
                    "burst": {"requests": WORKERS * EACH, "concurrency": WORKERS},
                    **(load or {}),
                },
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
        return (await self.until_phase(run, "Done", seconds))["status"]

    async def until_runs(self, count: int) -> list[Json]:
        async def look() -> list[Json] | None:
            runs = await self.runs()
            return runs if len(runs) == count else None

        return await until(f"there are {count} runs", look)

    async def until_ready(self, test: str = "shop", generation: int | None = None) -> Json:
        """The Ready condition of a test, once the operator has looked at that generation."""

        async def look() -> Json | None:
            body = await self.test(test)
            seen = body.get("status", {}).get("observedGeneration")
            if seen is None or seen < (generation or body["metadata"]["generation"]):
                return None
            return next(c for c in body["status"]["conditions"] if c["type"] == "Ready")

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
        path = self.core("serviceaccounts", "default/token")
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return (await self.api.call("POST", path, body))["status"]["token"]

    async def say_of_pod(self, pod: Json, status: Json) -> None:
        """What a kubelet or scheduler would write."""
        await self.api.merge(
            self.core("pods", f"{pod['metadata']['name']}/status"), {"status": status}
        )

    async def finish(self, run: str) -> Json:
        """Play all workers of a run to its end. Gives its status."""
        workers = await self.workers(run)
        assert await asyncio.gather(*(worker.work() for worker in workers)) == [200] * len(workers)
        return await self.until_done(run)
