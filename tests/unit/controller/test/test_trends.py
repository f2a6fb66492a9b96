"""A test's trend against an API server in memory: nothing twice, nothing lost, nothing for free."""

import base64
import gzip
import json
from typing import Any

import pytest

from perfrun.api.run.perfrun import PerfRun
from perfrun.api.test.baseline import ACCEPT_ANNOTATION, TrendStatus
from perfrun.controller.objects.events import Events
from perfrun.controller.objects.manifests import TREND_KEY
from perfrun.controller.objects.store import Store, run_record
from perfrun.controller.test.trends import Trender, regressed_condition
from perfrun.kube.errors import KubeError
from perfrun.kube.resources import CONFIG_MAPS, EVENTS, PERF_RUNS
from tests.unit.controller.build import checked_test, run_body
from tests.unit.controller.fake_kube import FakeKube


class World:
    def __init__(self) -> None:
        self.kube = FakeKube()
        self.store = Store()
        self.trender = Trender(self.kube, self.store, Events(self.kube, "op"))  # type: ignore[arg-type]
        self.test = checked_test()
        self.count = 0

    def ran(self, p95: str, **more: Any) -> str:
        """One more run that is done."""
        self.count += 1
        name = f"shop-{self.count}"
        body = run_body(
            name,
            uid=f"uid-{self.count}",
            **{
                "phase": "Done",
                "verdict": "Pass",
                "comparisonKey": "key",
                "completionTime": f"2026-11-01T00:00:{self.count:02}.000000Z",
                "workers": {"planned": 1, "ready": 1, "reported": 1},
                "summary": {
                    "window": "10s",
                    "iterations": {"planned": 9, "started": 9, "dropped": 0},
                    "requests": {"sent": 9, "succeeded": 9, "failed": 0, "censored": 0},
                    "attempts": {},
                    "throughput": "9/s",
                    "transactions": "9/s",
                    "latency": {"p95": p95},
                },
                **more,
            },
        )
        self.kube.put(PERF_RUNS, body)
        self.store.put_run(run_record(PerfRun.parse(body)))
        return name

    async def look(self, **spec: Any) -> TrendStatus | None:
        """One look, as the reconciler has it; its status is written."""
        test = self.test
        if spec:
            test = test.model_copy(update={"spec": checked_test(**spec).spec})
        said = await self.trender.look(test)
        status = self.test.status.model_copy(update={"trend": said})
        self.test = test.model_copy(update={"status": status})
        return said

    def annotate(self, run: str) -> None:
        metadata = self.test.metadata.model_copy(update={"annotations": {ACCEPT_ANNOTATION: run}})
        self.test = self.test.model_copy(update={"metadata": metadata})

    @property
    def told(self) -> list[str]:
        return [event["reason"] for event in self.kube.all(EVENTS)]


@pytest.fixture
def world() -> World:
    return World()


async def regressed(world: World) -> TrendStatus:
    for p95 in ["50ms"] * 12 + ["55ms"] * 4:
        world.ran(p95)
        said = await world.look()
    assert said is not None
    return said


async def test_a_test_without_runs_has_no_trend_and_costs_nothing(world: World) -> None:
    assert await world.look() is None
    assert world.kube.asked.total() == 0


LAG = {"findings": [{"type": "Lag", "effect": "Inflating", "message": "m"}]}


async def test_runs_that_prove_nothing_are_told_with_the_reason_of_the_last(world: World) -> None:
    name = world.ran("50ms", generator=LAG)
    said = await world.look()
    assert said is not None
    assert (said.state, said.message) == (
        "Collecting",
        f"no run that can be compared yet; run {name} is left out: its load generator had "
        "problems (Lag)",
    )
    for verdict in ("Pass", "Error"):
        name = world.ran("50ms", generator=LAG if verdict == "Pass" else {}, verdict=verdict)
        said = await world.look()
    assert said is not None
    assert said.message.endswith(
        f"; 3 runs in a row are left out, the last one ({name}) because its verdict is Error"
    )


async def test_runs_left_out_are_forgotten_once_one_counts_and_remembered_until_then(
    world: World,
) -> None:
    for _ in range(2):
        world.ran("50ms", generator=LAG)
    said = await world.look()
    said = await world.look(baseline={"tolerance": "7%"})
    assert said is not None
    assert said.left_out is not None
    assert said.left_out.runs == 2
    world.ran("50ms")
    said = await world.look()
    assert said is not None
    assert (said.message, said.left_out) == ("1 of the 10 runs that a baseline needs", None)


async def test_a_change_is_told_once(world: World) -> None:
    said = await regressed(world)
    assert (said.state, said.change) == ("Regressed", "+10%")
    assert world.told == ["Regressed"]
    condition = regressed_condition(said)
    assert condition is not None
    assert (condition.status, condition.reason) == ("True", "Regressed")


async def test_nothing_new_costs_no_request(world: World) -> None:
    await regressed(world)
    world.kube.asked.clear()
    await world.look()
    assert world.kube.asked.total() == 0


async def test_an_operator_killed_before_the_status_was_written_comes_to_the_same(
    world: World,
) -> None:
    await regressed(world)
    before = world.test
    world.ran("55ms")
    first = await world.look()
    world.test = before
    assert await world.look() == first
    assert world.told == ["Regressed"]


async def test_many_runs_at_once_are_taken_in_their_order(world: World) -> None:
    for p95 in ["50ms"] * 12 + ["55ms"] * 4 + ["50ms"] * 3:
        world.ran(p95)
    said = await world.look()
    assert said is not None
    assert said.state == "Recovered"
    assert world.told == ["Regressed", "Recovered"]


@pytest.mark.parametrize(
    "why",
    [
        {"verdict": "Inconclusive"},
        {"verdict": "Error"},
        {"stopped": "spec.stop was set"},
        {"workers": {"planned": 2, "ready": 2, "reported": 1}},
        {"generator": {"findings": [{"type": "Lag", "effect": "Inflating", "message": "late"}]}},
        {"summary": None},
    ],
)
async def test_a_run_that_proves_nothing_is_not_compared(world: World, why: Any) -> None:
    for _ in range(12):
        world.ran("50ms")
    await world.look()
    world.ran("90ms", **why)
    said = await world.look()
    assert said is not None
    assert (said.state, said.baseline_runs) == ("Stable", 12)


async def test_another_machine_is_another_history(world: World) -> None:
    for _ in range(12):
        world.ran("50ms", environment={"machines": ["A"]})
    world.ran("60ms", environment={"machines": ["B"]})
    said = await world.look()
    assert said is not None
    assert said.state == "Incomparable"
    assert "machine was A, now B" in said.message
    world.ran("50ms", environment={"machines": ["A"]})
    said = await world.look()
    assert said is not None
    assert (said.state, said.baseline_runs) == ("Stable", 13)


async def test_an_accepted_level_is_followed_once(world: World) -> None:
    await regressed(world)
    world.annotate("shop-13")
    said = await world.look()
    assert said is not None
    assert (said.state, said.baseline_runs, said.accepted) == ("Collecting", 4, "shop-13")
    world.kube.asked.clear()
    await world.look()
    assert world.kube.asked.total() == 0


async def test_a_level_that_is_not_there_is_said(world: World) -> None:
    await regressed(world)
    world.annotate("nosuch")
    await world.look()
    assert "LevelNotAccepted" in world.told


async def test_a_pinned_run_is_compared_with(world: World) -> None:
    for _ in range(12):
        world.ran("50ms")
    await world.look(baseline={"compare": "Pinned", "run": "shop-3"})
    world.ran("55ms")
    said = await world.look()
    assert said is not None
    assert (said.state, said.change) == ("Suspect", "+10%")


async def test_a_pinned_run_that_is_not_there_is_said(world: World) -> None:
    for _ in range(12):
        world.ran("50ms")
    said = await world.look(baseline={"compare": "Pinned", "run": "nosuch"})
    assert said is not None
    assert said.state == "Incomparable"
    assert "there is no run nosuch" in said.message


async def test_never_means_never(world: World) -> None:
    world.ran("50ms")
    assert await world.look(baseline={"compare": "Never"}) is None
    assert world.kube.asked.total() == 0


@pytest.mark.parametrize(
    ("key", "value"), [("", ""), ("since", "yesterday"), ("passages", "yesterday")]
)
async def test_a_damaged_history_begins_anew(world: World, key: str, value: str) -> None:
    await regressed(world)
    kept = world.kube.all(CONFIG_MAPS)[0]["binaryData"]
    packed = b"nothing"
    if key:
        histories = json.loads(gzip.decompress(base64.b64decode(kept[TREND_KEY])))
        (history,) = histories["histories"]
        if key == "passages":
            history[key][-1]["completed"] = value
        else:
            history[key] = value
        packed = gzip.compress(json.dumps(histories).encode())
    kept[TREND_KEY] = base64.b64encode(packed).decode()
    world.ran("55ms")
    said = await world.look()
    assert said is not None
    assert (said.state, said.baseline_runs) == ("Collecting", 1)


async def test_without_the_api_server_nothing_is_lost(world: World) -> None:
    for _ in range(12):
        world.ran("50ms")
    world.kube.failing["create", "configmaps"] = KubeError(500, "away")
    with pytest.raises(KubeError):
        await world.look()
    world.kube.failing.clear()
    said = await world.look()
    assert said is not None
    assert said.baseline_runs == 12
