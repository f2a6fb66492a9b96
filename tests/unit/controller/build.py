"""Objects for tests of the operator, as the API server would show them."""

from typing import Any

from perfrun.api.run.overrides import Overrides
from perfrun.api.run.perfrun import PerfRun
from perfrun.api.test.perftest import CheckedTest, PerfTest, PerfTestSettings
from perfrun.controller.objects.manifests import revision_manifest
from perfrun.controller.objects.store import Key
from perfrun.controller.settings import Settings
from perfrun.controller.test.checks import outcome_of
from perfrun.logic.accept.examine import Examined, examine
from perfrun.logic.plan.run_plan import make_plan, what_runs_hash
from perfrun.measure.plan import RunPlan

Json = dict[str, Any]

CREATED = "2026-11-22T02:00:00Z"
KEY = Key("team", "shop-1")
ENV = {
    "PERFRUN_NAMESPACE": "perfrun-system",
    "PERFRUN_WORKER_IMAGE": "perfrun:1",
    "PERFRUN_METRICS_ACCESS": "open",
    "PERFRUN_COORDINATOR_URL": "https://perfrun-coordinator.perfrun-system.svc:8443",
}


class HandClock:
    """Seconds that pass only when a test says so."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def settings(**env: str) -> Settings:
    return Settings.from_env({**ENV, **env})


def perf_test(name: str = "shop", status: Json | None = None, **spec: Any) -> PerfTest:
    return PerfTest.parse({
        "metadata": {"name": name, "namespace": "team", "uid": f"uid-{name}", "generation": 1,
                     "creationTimestamp": CREATED},
        "spec": {
            "target": {"http": {"url": "http://shop/health"}},
            "load": {"burst": {"requests": 100, "concurrency": 10}},
            **spec,
        },
        "status": status or {},
    })  # fmt: skip


def checked_test(name: str = "shop", status: Json | None = None, **spec: Any) -> CheckedTest:
    """The same, as the reconciler of tests has it."""
    whole = perf_test(name, status, **spec)
    return CheckedTest(
        metadata=whole.metadata,
        spec=PerfTestSettings.parse(whole.spec.model_dump(mode="json", exclude_unset=True)),
        status=whole.status,
        what_runs=what_runs_hash(whole.spec),
    )


def revision(test: PerfTest) -> Json:
    """What a test runs, frozen."""
    return revision_manifest(test.metadata, what_runs_hash(test.spec), test.spec.what_runs())


class ChecksHere:
    """The checks, done at once and in this process."""

    def of(self, body: Json) -> Examined:
        return outcome_of(body) or examine(body["spec"], body["metadata"]["namespace"])

    async def frozen(self, body: Json, overrides: Overrides | None = None) -> Examined:
        changes = overrides and overrides.model_dump(mode="json", exclude_none=True)
        return examine(body["spec"], body["metadata"]["namespace"], freeze=True, overrides=changes)

    async def examine(self, spec: Json, namespace: str, **_: object) -> Examined:
        return examine(spec, namespace)


def plan_of(test: PerfTest, uid: str = "uid-run") -> RunPlan:
    return make_plan(test.spec, uid=uid, namespace="team", test=test.metadata.name, run=KEY.name)


def run_body(name: str = "shop-1", *, test: str = "shop", uid: str = "", namespace: str = "team",
             version: str = "1", **status: Any) -> Json:  # fmt: skip
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": uid or f"uid-{name}",
                     "resourceVersion": version, "creationTimestamp": CREATED},
        "spec": {"testRef": {"name": test}},
        "status": status,
    }  # fmt: skip


def perf_run(name: str = "shop-1", **more: Any) -> PerfRun:
    return PerfRun.parse(run_body(name, **more))
