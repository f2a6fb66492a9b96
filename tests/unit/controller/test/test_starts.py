"""Runs that are due by schedule, against an API server in memory: created once, and noted.

What Kubernetes' CronJob controller is tested for and a schedule alone does not decide; which case is
where is in docs/reference/schedules-cases.md.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perfrun.api import Json
from perfrun.api.run.perfrun import PerfRun
from perfrun.api.test.perftest import CheckedTest
from perfrun.api.times import format_time
from perfrun.controller.objects.events import Events
from perfrun.controller.objects.manifests import run_manifest
from perfrun.controller.objects.store import Store, run_record
from perfrun.controller.test.starts import NameTakenError, RunStarter, Started, _schedule_epoch
from perfrun.controller.test.ticks import Ticker
from perfrun.kube.errors import KubeError, RefusedError, TerminatingError
from perfrun.kube.resources import EVENTS, PERF_RUNS
from tests.unit.controller import build
from tests.unit.controller.fake_kube import FakeKube

HOUR = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PRIOR = HOUR - timedelta(hours=1)
DUE = f"shop-{int(HOUR.timestamp()) // 60}"
BEFORE = f"shop-{int(PRIOR.timestamp()) // 60}"


def hourly(status: Json | None = None, cron: str = "0 * * * *", **more: object) -> CheckedTest:
    """A test of every hour, which ran in the hour before."""
    known = {"observedGeneration": 1, "lastScheduleTime": format_time(PRIOR)}
    test = build.checked_test(schedule={"cron": cron, **more}, status={**known, **(status or {})})
    test.metadata.creation_timestamp = PRIOR - timedelta(hours=1)
    return test


def noted(test: CheckedTest) -> Json:
    """What is noted of a schedule when it is looked at first."""
    _, written = _schedule_epoch(test, HOUR)
    return {"scheduleHash": written, "scheduledSince": format_time(PRIOR)}


@dataclass
class World:
    kube: FakeKube
    store: Store
    starter: RunStarter

    async def start(self, policy: str = "Allow", now: datetime = HOUR + MINUTE) -> Started:
        test = hourly(concurrencyPolicy=policy)
        return await self.starter.start(
            hourly(noted(test), concurrencyPolicy=policy), now, suspended=False
        )

    def stands(
        self, name: str, *, known: bool = True, uid: str = "uid-shop", **status: str
    ) -> None:
        """A scheduled run of the API; ``known``: the watch has told of it."""
        body = run_manifest(hourly().metadata, name, "Scheduled", format_time(HOUR))
        body["metadata"]["ownerReferences"][0]["uid"] = uid
        made = self.kube.put(PERF_RUNS, {**body, "status": status})
        if known:
            self.store.put_run(run_record(PerfRun.parse(made)))

    @property
    def runs(self) -> list[str]:
        return sorted(body["metadata"]["name"] for body in self.kube.all(PERF_RUNS))


@pytest.fixture
def world() -> World:
    kube, store = FakeKube(), Store()
    ticker = Ticker(kube, store, lambda _: None)  # type: ignore[arg-type]
    starter = RunStarter(kube, store, Events(kube, "operator"), ticker)  # type: ignore[arg-type]
    return World(kube, store, starter)


@pytest.mark.parametrize("known", [True, False], ids=["known", "not-known-yet"])
async def test_run_that_is_there_already_is_noted_and_not_made_twice(
    world: World, known: bool
) -> None:
    """As after a kill between the creation and the status, or behind a slow watch."""
    world.stands(DUE, known=known)
    started = await world.start("Forbid")
    assert started.noted.last_schedule_time == format_time(HOUR)
    assert "last_missed" not in started.noted.model_fields_set
    assert world.runs == [DUE]
    assert [run.key.name for run in world.store.unfinished()] == [DUE]
    assert world.kube.all(EVENTS) == [], "it is not told again"


async def test_run_of_that_name_that_is_somebody_elses_is_left_alone_and_named(
    world: World,
) -> None:
    # DIFFERS: a CronJob goes on as if nothing were due.
    world.stands(DUE, known=False, uid="another")
    with pytest.raises(NameTakenError, match=f"{DUE} .* belongs to something else"):
        await world.start("Forbid")


async def test_active_run_that_is_gone_does_not_stand_in_the_way(world: World) -> None:
    world.stands(BEFORE, phase="Running")
    await world.kube.delete(PERF_RUNS, "team", BEFORE, uid=f"uid-perfruns-{BEFORE}")
    await world.start("Forbid")
    assert world.runs == [DUE]


async def test_replace_stops_the_run_before_and_keeps_it(world: World) -> None:
    # DIFFERS: a CronJob deletes it.
    world.stands(BEFORE, phase="Running")
    await world.start("Replace")
    assert world.runs == [BEFORE, DUE]
    assert world.kube.objects["perfruns", "team", BEFORE]["spec"]["stop"] is True


@pytest.mark.parametrize("verb", ["get", "patch"], ids=["read", "stopped"])
async def test_replace_creates_nothing_where_the_run_before_cannot_be(
    world: World, verb: str
) -> None:
    world.stands(BEFORE, phase="Running")
    world.kube.failing[verb, "perfruns"] = RefusedError(400, "the request is invalid")
    with pytest.raises(RefusedError, match="the request is invalid"):
        await world.start("Replace")
    assert world.runs == [BEFORE]
    world.kube.failing.clear()
    await world.start("Replace")
    assert world.runs == [BEFORE, DUE]


@pytest.mark.parametrize(
    "error",
    [TerminatingError(403, "being terminated"), RefusedError(403, "quota"), KubeError(500, "no")],
    ids=["namespace-terminating", "quota", "server-error"],
)
async def test_run_that_cannot_be_created_is_not_noted(world: World, error: KubeError) -> None:
    world.kube.failing["create", "perfruns"] = error
    with pytest.raises(type(error)):
        await world.start()
    assert (world.runs, list(world.store.unfinished())) == ([], [])


@pytest.mark.parametrize("zone", ["Etc/UTC", None, "Europe/Rome"])
async def test_run_says_its_time_and_belongs_to_its_test(world: World, zone: str | None) -> None:
    # DIFFERS: a CronJob writes it into an annotation, in the schedule's zone.
    written: dict[str, Any] = {"timeZone": zone} if zone else {}
    test = hourly(**written)
    await world.starter.start(hourly(noted(test), **written), HOUR + MINUTE, suspended=False)
    (body,) = world.kube.all(PERF_RUNS)
    assert body["metadata"]["name"] == DUE
    assert body["spec"]["scheduledTime"] == format_time(HOUR)
    (owner,) = body["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("PerfTest", "shop", "uid-shop")
    assert owner["controller"] is True


async def test_runs_that_count_are_those_that_name_the_test_in_its_namespace(world: World) -> None:
    # DIFFERS: a CronJob goes by the controlling owner; labels are nothing to either.
    for name, namespace, test in (("a", "team", "other"), ("b", "elsewhere", "shop")):
        body = build.run_body(name, namespace=namespace, test=test, phase="Running")
        body["spec"]["reason"] = "Scheduled"
        world.kube.put(PERF_RUNS, body)
        world.store.put_run(run_record(PerfRun.parse(body)))
    assert "last_missed" not in (await world.start("Forbid")).noted.model_fields_set
    assert DUE in world.runs
    world.stands(BEFORE, phase="Running")
    world.kube.objects["perfruns", "team", BEFORE]["metadata"]["labels"] = {"key": "another"}
    later = await world.start("Forbid", HOUR + timedelta(hours=1))
    assert BEFORE in later.noted.last_missed.reason


@pytest.mark.parametrize(
    ("before", "after", "coming"),
    [
        pytest.param({}, {"jitterSeconds": 0}, HOUR, id="something else"),
        pytest.param({}, {"cron": "* * * * *"}, HOUR - 14 * MINUTE, id="more often"),
        pytest.param({}, {"cron": "30 * * * *"}, HOUR + 30 * MINUTE, id="less often"),
        pytest.param({"timeZone": "America/New_York"}, {"timeZone": "America/New_York"}, HOUR,
                     id="zone not changed"),
        pytest.param({"timeZone": "Asia/Kathmandu"}, {}, HOUR, id="zone taken out"),
        pytest.param({}, {"timeZone": "Asia/Kathmandu"}, HOUR + 15 * MINUTE, id="zone set"),
    ],
)  # fmt: skip
async def test_after_an_edit_nothing_runs_for_what_is_past_and_the_next_time_is_the_new_ones(
    world: World, before: Json, after: Json, coming: datetime
) -> None:
    edited = hourly(noted(hourly(**before)), **after)
    started = await world.starter.start(edited, HOUR - 15 * MINUTE, suspended=False)
    assert world.runs == []
    assert started.decision is not None
    assert started.decision.next == coming


async def test_edit_of_what_runs_leaves_the_schedule_alone(world: World) -> None:
    test = hourly()
    edited = build.checked_test(
        schedule={"cron": "0 * * * *"},
        target={"http": {"url": "http://shop/other"}},
        status={"observedGeneration": 1, "lastScheduleTime": format_time(PRIOR), **noted(test)},
    )
    await world.starter.start(edited, HOUR + MINUTE, suspended=False)
    assert world.runs == [DUE]
