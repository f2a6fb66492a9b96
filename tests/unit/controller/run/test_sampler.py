"""What the operator sees of workloads, and what is left of it after a restart."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perfrun.api import Json
from perfrun.api.times import format_time
from perfrun.controller.objects.manifests import CHUNK_BYTES, observed_config_map
from perfrun.controller.run.open_runs import OpenRun
from perfrun.controller.run.sampler import SETTLE_S, Sampler, packed, restarts, usage
from perfrun.kube.errors import KubeError, NotFoundError, RefusedError
from perfrun.kube.resources import CONFIG_MAPS, POD_METRICS, PODS, WORKLOADS, Resource
from perfrun.logic.schedule.policy import asks_of
from perfrun.measure.observed import MAX_POINTS, Observation
from tests.unit.controller.build import KEY, perf_run, perf_test, plan_of
from tests.unit.controller.fake_kube import FakeKube

UID = "uid-shop-1"
MIB = 1024 * 1024
S = 1_000_000_000
OBSERVE = [
    {"name": "api", "workload": {"kind": "Deployment", "name": "shop"}},
    {"name": "queue", "prometheus": {"url": "http://prometheus", "query": "up"}},
]
DEPLOYMENT = {
    "metadata": {"name": "shop", "namespace": "team"},
    "spec": {"selector": {"matchLabels": {"app": "shop"}}},
}


class Cluster(FakeKube):
    """With a metrics-server, whose figures a test sets."""

    def __init__(self) -> None:
        super().__init__()
        self.usage: list[Json] | KubeError = []
        self.selectors: set[str] = set()

    async def list(self, resource: Resource, *args: Any, **named: Any) -> list[Json]:
        if resource is not POD_METRICS:
            return await super().list(resource, *args, **named)
        self.selectors.add(named["labels"])
        if isinstance(self.usage, KubeError):
            raise self.usage
        return self.usage

    def uses(self, at: datetime, cpu: str, memory: int) -> None:
        used = {"usage": {"cpu": cpu, "memory": str(memory)}}
        self.usage = [{"timestamp": format_time(at), "containers": [used]}]

    def restarted(self, count: int) -> None:
        labels = {"app": "shop"}
        status = {"containerStatuses": [{"restartCount": count}]}
        meta = {"name": "shop-0", "namespace": "team", "labels": labels}
        self.put(PODS, {"metadata": meta, "status": status})


@pytest.fixture
def kube() -> Cluster:
    kube = Cluster()
    kube.put(WORKLOADS["Deployment"], DEPLOYMENT)
    kube.restarted(0)
    return kube


@pytest.fixture
async def sampler(kube: Cluster) -> AsyncIterator[Sampler]:
    made = Sampler(kube, period=0.005)  # type: ignore[arg-type]
    yield made
    made.forget(UID)


def opened(observe: list[dict[str, Any]] = OBSERVE, *, judged: bool = True) -> OpenRun:
    slos = [{"metric": "cpu.max", "of": "api", "max": "1"}] if judged else []
    test = perf_test(observe=observe, slos=slos)
    asks = asks_of(test.spec)
    return OpenRun(KEY, test.spec, plan_of(test, UID), datetime.now(UTC), asks, "shop.team:80")


def created() -> datetime:
    at = perf_run().metadata.creation_timestamp
    assert at is not None
    return at


def found(sampler: Sampler, metric: str, start: datetime | None = None) -> Observation:
    everything = sampler.observed(UID, start or created())
    return next(one for one in everything if (one.name, one.metric) == ("api", metric))


async def until_told(sampler: Sampler, metric: str, points: int = 1) -> Observation:
    async with asyncio.timeout(10):
        while len((one := found(sampler, metric)).at) < points and one.trouble is None:
            await asyncio.sleep(0.002)
    return one


async def test_figures_stand_at_the_time_that_they_are_of(kube: Cluster, sampler: Sampler) -> None:
    start = created() + timedelta(seconds=20)
    kube.uses(start - timedelta(seconds=5), "250m", 50 * MIB)
    await sampler.watch(perf_run(), opened())
    await until_told(sampler, "cpu")
    kube.uses(start + timedelta(seconds=10), "1500m", 60 * MIB)
    await until_told(sampler, "memory", 2)
    cpu, memory = found(sampler, "cpu", start), found(sampler, "memory", start)
    assert list(zip(cpu.at, cpu.values, strict=True)) == [(-5 * S, 0.25), (10 * S, 1.5)]
    assert memory.values == [50.0 * MIB, 60.0 * MIB]
    assert kube.selectors == {"app=shop"}
    assert {one.name for one in sampler.observed(UID, start)} == {"api"}


async def test_restarts_are_counted(kube: Cluster, sampler: Sampler) -> None:
    await sampler.watch(perf_run(), opened())
    await until_told(sampler, "restarts")
    kube.restarted(3)
    async with asyncio.timeout(10):
        while 3.0 not in found(sampler, "restarts").values:
            await asyncio.sleep(0.002)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (NotFoundError(404, "the server could not find the requested resource"), "metrics-server"),
        (RefusedError(403, "pods.metrics.k8s.io is forbidden"), "is forbidden"),
        (KubeError(503, "the server is currently unable"), "currently unable"),
        ([], "no metrics of these pods yet"),
        ([{"containers": []}], "cannot be read"),
    ],
)
async def test_missing_metrics_are_told_and_restarts_are_seen_all_the_same(
    kube: Cluster, sampler: Sampler, answer: Any, said: str
) -> None:
    kube.usage = answer
    await sampler.watch(perf_run(), opened())
    assert said in str((await until_told(sampler, "cpu")).trouble)
    assert (await until_told(sampler, "restarts")).trouble is None


async def test_a_workload_that_is_not_there_is_told(sampler: Sampler, kube: Cluster) -> None:
    kube.objects.clear()
    await sampler.watch(perf_run(), opened())
    for metric in ("cpu", "memory", "restarts"):
        assert 'deployments "shop" not found' in str((await until_told(sampler, metric)).trouble)


async def test_after_a_restart_of_the_operator_it_goes_on_from_what_is_kept(
    kube: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfrun.controller.run.sampler.KEEP_S", 0.0)
    before = Sampler(kube, period=0.005)  # type: ignore[arg-type]
    kube.uses(created() + timedelta(seconds=5), "100m", MIB)
    await before.watch(perf_run(), opened())
    await until_told(before, "cpu")
    async with asyncio.timeout(10):
        while not kube.all(CONFIG_MAPS):
            await asyncio.sleep(0.002)
    before.forget(UID)
    (kept,) = kube.all(CONFIG_MAPS)
    assert kept["metadata"]["labels"]["perfrun.dev/content"] == "observed"

    after = Sampler(kube, period=0.005)  # type: ignore[arg-type]
    kube.uses(created() + timedelta(seconds=65), "200m", MIB)
    await after.watch(perf_run(), opened())
    assert (await until_told(after, "cpu", 2)).values == [0.1, 0.2]
    after.forget(UID)


async def test_damage_to_what_is_kept_is_no_harm(kube: Cluster, sampler: Sampler) -> None:
    body = observed_config_map(KEY, opened().plan, {})
    kube.put(CONFIG_MAPS, {**body, "binaryData": {"observed.json.gz": "!"}})
    kube.uses(created(), "100m", MIB)
    await sampler.watch(perf_run(), opened())
    assert (await until_told(sampler, "cpu")).values == [0.1]


async def test_the_last_figures_are_waited_for_and_not_for_ever(
    kube: Cluster, sampler: Sampler
) -> None:
    over = created() + timedelta(seconds=60)
    kube.uses(over - timedelta(seconds=10), "100m", MIB)
    await sampler.watch(perf_run(), opened())
    await until_told(sampler, "memory")
    assert not sampler.settled(UID, over)
    assert sampler.settled(UID, over + timedelta(seconds=SETTLE_S + 1))
    kube.uses(over + timedelta(seconds=5), "100m", MIB)
    await until_told(sampler, "memory", 2)
    assert sampler.settled(UID, over + timedelta(seconds=8))


async def test_nothing_is_waited_for_where_no_objective_is_about_it(
    kube: Cluster, sampler: Sampler
) -> None:
    kube.uses(created(), "100m", MIB)
    await sampler.watch(perf_run(), opened(judged=False))
    await until_told(sampler, "memory")
    assert sampler.settled(UID, created() + timedelta(seconds=60))


async def test_nothing_is_waited_for_where_there_are_no_metrics(
    kube: Cluster, sampler: Sampler
) -> None:
    kube.usage = NotFoundError(404, "not found")
    await sampler.watch(perf_run(), opened())
    await until_told(sampler, "cpu")
    assert sampler.settled(UID, datetime.now(UTC))


async def test_runs_that_observe_no_workload_are_not_looked_at(
    kube: Cluster, sampler: Sampler
) -> None:
    await sampler.watch(perf_run(), opened(OBSERVE[1:]))
    assert sampler.observed(UID, created()) == []
    assert sampler.settled(UID, datetime.now(UTC))
    assert not kube.asked


def test_what_is_kept_fits_into_a_config_map() -> None:
    draw = random.Random(7)
    most = [
        Observation(
            name=f"{number}{'x' * 60}",
            metric=metric,
            at=[10**10 * second + draw.randrange(10**9) for second in range(MAX_POINTS)],
            values=[draw.random() for _ in range(MAX_POINTS)],
        )
        for number in range(16)
        for metric in ("cpu", "memory", "restarts")
    ]
    assert len(packed(most)) * 4 / 3 < CHUNK_BYTES


def metrics(cpu: str, memory: str, at: str = "2026-11-22T02:00:15Z") -> dict[str, Any]:
    return {"timestamp": at, "containers": [{"usage": {"cpu": cpu, "memory": memory}}]}


def test_all_notations_add_up() -> None:
    found = usage(
        [
            metrics("12345678n", "100Ki"),
            metrics("250m", "1Mi", "2026-11-22T02:00:20Z"),
            metrics("1", "1e3"),
        ]
    )
    assert found.cores == pytest.approx(1.262345678)
    assert found.memory == 100 * 1024 + 1024 * 1024 + 1000
    assert found.at == datetime(2026, 11, 22, 2, 0, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "pods",
    [
        [],
        [{}],
        [{"timestamp": None, "containers": []}],
        [metrics("many", "1Ki")],
        [metrics("1", "1Ki", "yesterday")],
        [{"timestamp": "2026-11-22T02:00:15Z", "containers": [{"usage": {}}]}],
    ],
)
def test_nothing_and_rubbish_are_no_figures(pods: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match=r"it has no metrics|cannot be read|Invalid"):
        usage(pods)


def test_restarts_of_all_containers_count() -> None:
    pod = {
        "status": {
            "containerStatuses": [{"restartCount": 2}, {"restartCount": 1}],
            "initContainerStatuses": [{"restartCount": 4}],
        }
    }
    assert restarts([pod, {}, {"status": {"containerStatuses": None}}]) == 7
