"""The reconciler of PerfTests against an API server in memory: what it says, and when."""

from dataclasses import dataclass
from typing import Any

import pytest

from perfrun.api import Json
from perfrun.api.times import parse_time
from perfrun.controller.metrics import Metrics
from perfrun.controller.objects.events import Events
from perfrun.controller.objects.policies import policy_record
from perfrun.controller.objects.store import Key, Store, run_record
from perfrun.controller.test import reconciler as perftests
from perfrun.controller.test.history import Historian
from perfrun.controller.test.ticks import Ticker
from perfrun.kube.errors import ConflictError, RefusedError, TerminatingError
from perfrun.kube.resources import EVENTS, PERF_RUNS, PERF_TESTS
from perfrun.logic.plan.names import short_hash
from tests.unit.controller.build import CREATED, ChecksHere, perf_run
from tests.unit.controller.fake_kube import FakeKube

KEY = Key("team", "shop")


@dataclass
class World:
    kube: FakeKube
    store: Store
    metrics: Metrics
    reconciler: perftests.TestReconciler

    def be(self, status: Json | None = None, **spec: Any) -> None:
        """The test as it stands in the API."""
        body = {
            "metadata": {"name": "shop", "namespace": "team", "uid": "uid-shop", "generation": 1,
                         "creationTimestamp": CREATED},
            "spec": {
                "target": {"http": {"url": "http://shop/health"}},
                "load": {"burst": {"requests": 100, "concurrency": 10}},
                **spec,
            },
            "status": status or {},
        }  # fmt: skip
        self.kube.put(PERF_TESTS, body)

    def done(self, name: str, verdict: str, minute: int, **status: Any) -> None:
        completed = f"2026-11-22T02:{minute:02}:00Z"
        run = perf_run(name, phase="Done", verdict=verdict, completionTime=completed, **status)
        self.store.put_run(run_record(run))
        self.kube.put(PERF_RUNS, run.model_dump(mode="json", by_alias=True))

    @property
    def status(self) -> Json:
        status: Json = self.kube.objects["perftests", *KEY]["status"]
        return status

    @property
    def last(self) -> tuple[str | None, ...]:
        names = ("lastRun", "lastVerdict", "lastSuccessfulTime")
        return tuple(self.status.get(name) for name in names)

    def conditions(self) -> dict[str, tuple[str, str]]:
        return {c["type"]: (c["status"], c["reason"]) for c in self.status["conditions"]}


class Silent:
    """A notifier of an installation without receivers."""

    def look(self, test: object) -> None: ...

    def doubts(self, test: object) -> list[object]:
        return []


@pytest.fixture
def world() -> World:
    kube, store = FakeKube(), Store()
    metrics = Metrics(store)
    historian = Historian(kube, store)  # type: ignore[arg-type]
    events = Events(kube, "operator")  # type: ignore[arg-type]
    ticker = Ticker(kube, store, lambda _: None)  # type: ignore[arg-type]
    reconciler = perftests.TestReconciler(
        kube,  # type: ignore[arg-type]
        store,
        historian,
        events,
        metrics,
        ticker,
        Silent(),  # type: ignore[arg-type]
        ChecksHere(),  # type: ignore[arg-type]
    )
    return World(kube, store, metrics, reconciler)


async def test_quota_on_runs_is_said_on_the_test_in_its_words_and_passes(world: World) -> None:
    world.be()
    world.kube.failing["create", "perfruns"] = RefusedError(403, "exceeded quota: runs")
    assert await world.reconciler.reconcile(KEY) is not None
    assert world.conditions() == {"Ready": ("False", "Refused"), "Stalled": ("True", "Refused")}
    assert "exceeded quota: runs" in world.status["conditions"][0]["message"]
    assert "lastChange" not in world.status
    assert world.metrics._ready == {KEY: False}
    world.kube.failing.clear()
    await world.reconciler.reconcile(KEY)
    assert world.conditions() == {"Ready": ("True", "Accepted")}
    assert world.metrics._ready == {KEY: True}
    assert len(world.kube.all(PERF_RUNS)) == 1


async def test_runs_past_their_limit_go_also_while_a_quota_holds(world: World) -> None:
    world.be(historyLimits={"passed": 1, "other": 1})
    for minute in (1, 2):
        world.done(f"shop-{minute}", "Pass", minute)
    world.kube.failing["create", "perfruns"] = RefusedError(403, "exceeded quota: runs")
    await world.reconciler.reconcile(KEY)
    assert [run["metadata"]["name"] for run in world.kube.all(PERF_RUNS)] == ["shop-2"]


async def test_nothing_is_said_in_a_namespace_that_goes_away(world: World) -> None:
    world.be()
    world.kube.failing["create", "perfruns"] = TerminatingError(403, "terminating")
    with pytest.raises(TerminatingError):
        await world.reconciler.reconcile(KEY)
    assert (world.status, world.kube.all(EVENTS)) == ({}, [])


async def test_last_verdict_stays_and_names_no_run_that_is_not_kept(world: World) -> None:
    world.be(runOn=[], historyLimits={"passed": 0, "other": 5})
    world.done("shop-1", "Fail", 1)
    world.done("shop-2", "Pass", 2)
    for kept in ("shop-2", None, None):  # the first look deletes it
        await world.reconciler.reconcile(KEY)
        assert world.last == (kept, "Pass", "2026-11-22T02:02:00Z")
    assert [run["metadata"]["name"] for run in world.kube.all(PERF_RUNS)] == ["shop-1"]
    world.done("shop-3", "Warn", 3)
    await world.reconciler.reconcile(KEY)
    assert world.last == ("shop-3", "Warn", "2026-11-22T02:02:00Z")


@pytest.mark.parametrize("limits", [{"passed": 0}, {"passed": 10}, {}], ids=["0", "10", "default"])
async def test_last_successful_time_is_noted_however_many_runs_are_kept(
    world: World, limits: Json
) -> None:
    world.be(runOn=[], historyLimits=limits)
    world.done("shop-1", "Pass", 1)
    await world.reconciler.reconcile(KEY)
    assert world.status["lastSuccessfulTime"] == "2026-11-22T02:01:00Z"


async def test_missed_time_is_counted_once_and_only_when_it_is_written(world: World) -> None:
    cron = "0 2 1 1 *"
    since = {
        "observedGeneration": 1,
        "scheduledSince": "2020-01-01T00:00:00Z",
        "scheduleHash": short_hash(cron, "Etc/UTC"),
    }
    world.be(since, runOn=[], schedule={"cron": cron, "startingDeadlineSeconds": 1})
    world.kube.failing["patch", "perftests"] = ConflictError(409, "changed meanwhile")
    with pytest.raises(ConflictError):
        await world.reconciler.reconcile(KEY)
    assert world.metrics._counters._missed == {}
    world.kube.failing.clear()
    for _ in range(2):
        await world.reconciler.reconcile(KEY)
    assert world.metrics._counters._missed == {KEY: 1}
    told = [event["reason"] for event in world.kube.all(EVENTS)]
    assert told.count("MissedSchedule") == 1


async def test_time_that_is_due_and_cannot_be_used_stays_due_in_the_metrics(world: World) -> None:
    due = "2026-11-22T02:00:00Z"
    since = {"scheduledSince": "2026-11-22T01:59:00Z", "nextScheduleTime": due}
    world.be({**since, "scheduleHash": short_hash("0 2 * * *", "Etc/UTC")}, runOn=["Change"],
             schedule={"cron": "0 2 * * *"})  # fmt: skip
    world.kube.failing["create", "perfruns"] = RefusedError(403, "exceeded quota: runs")
    await world.reconciler.reconcile(KEY)
    assert world.conditions()["Stalled"] == ("True", "Refused")
    assert world.metrics._next == {KEY: parse_time(due).timestamp()}


@pytest.mark.parametrize(
    "rubbish",
    [
        {"lastScheduleTime": "yesterday", "lastMissed": {"time": "0", "reason": ""}},
        {"conditions": "none", "trend": 3, "active": {}},
        {"check": {"version": 1}, "scheduleHash": "x" * 100},
        {"lastVerdict": "x-1", "lastRun": "shop-1"},
        {"check": {"version": "", "whatRuns": "5s"}, "lastSlos": ""},
    ],
)
async def test_rubbish_in_a_status_is_written_over(world: World, rubbish: Json) -> None:
    world.be(rubbish, runOn=[], schedule={"cron": "0 2 1 1 *"})
    for _ in range(2):
        await world.reconciler.reconcile(KEY)
    assert world.conditions() == {"Ready": ("True", "Accepted")}
    assert "lastMissed" not in world.status
    assert "scheduledSince" in world.status


async def test_changed_policy_is_asked_about_what_was_accepted(world: World) -> None:
    world.be(runOn=[])
    await world.reconciler.reconcile(KEY)
    assert world.conditions() == {"Ready": ("True", "Accepted")}
    # Nothing but what stands on the object is looked at again.
    world.kube.objects["perftests", *KEY]["spec"]["target"] = "not looked at"
    body = {"metadata": {"name": "lab", "uid": "u"}, "spec": {"allow": {"hosts": ["other"]}}}
    world.store.put_policy("lab", policy_record(body))
    await world.reconciler.reconcile(KEY)
    assert world.conditions()["Ready"] == ("False", "RefusedByPolicy")
    world.store.drop_policy("lab")
    await world.reconciler.reconcile(KEY)
    assert world.conditions() == {"Ready": ("True", "Accepted")}


async def test_run_whose_turn_did_not_come_is_missed_and_no_verdict(world: World) -> None:
    world.be(runOn=[])
    world.done("shop-1", "Pass", 1)
    why = {"message": "it did not get a turn in time: a/x is loading shop.team:80"}
    expired = {"type": "Complete", "status": "True", "reason": "QueueExpired", **why}
    world.done("shop-2", "Error", 2, conditions=[expired])
    for _ in range(2):
        await world.reconciler.reconcile(KEY)
        assert world.last[:2] == ("shop-1", "Pass")
        assert world.status["lastMissed"]["reason"] == f"run shop-2: {why['message']}"
    told = [one for one in world.kube.all(EVENTS) if one["reason"] == "MissedSchedule"]
    assert len(told) == 1


async def test_what_an_edited_test_asked_for_goes_from_its_check(world: World) -> None:
    world.be(load={"open": {"rate": "500/s", "duration": "10s"}})
    await world.reconciler.reconcile(KEY)
    assert world.status["check"]["asks"]["rate"]["amount"] == 500
    body = world.kube.objects["perftests", *KEY]
    body["metadata"]["generation"] = 2
    body["spec"]["load"] = {"closed": {"users": 5, "duration": "10s"}}
    await world.reconciler.reconcile(KEY)
    asks = world.status["check"]["asks"]
    # A policy would judge what nobody asks for any more, once the operator has been restarted.
    assert "rate" not in asks
    assert asks["users"]["amount"] == 5


async def test_conditions_of_others_stay(world: World) -> None:
    other = {"type": "Owned", "status": "True", "reason": "ByTeam", "message": ""}
    world.be(status={"conditions": [other]})
    await world.reconciler.reconcile(KEY)
    assert world.conditions() == {"Owned": ("True", "ByTeam"), "Ready": ("True", "Accepted")}
