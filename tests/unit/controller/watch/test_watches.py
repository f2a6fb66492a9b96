"""Events of the watches: what they leave in the store, and whom they have reconciled."""

from dataclasses import dataclass, field

import pytest

from perfrun.controller.metrics import Metrics
from perfrun.controller.objects.store import Key, Store, run_record
from perfrun.controller.watch.watches import Watches
from tests.unit.controller.build import Json, perf_run, run_body
from tests.unit.controller.serve.test_health import Names

TEST, RUN = Key("team", "shop"), Key("team", "shop-1")


@dataclass
class Forgetful:
    """A reconciler that is only told to forget."""

    forgotten: list[Key] = field(default_factory=list)

    def forget(self, key: Key) -> None:
        self.forgotten.append(key)


class World:
    def __init__(self) -> None:
        self.store, self.tests, self.runs = Store(), Names(), Names()
        self.reconciler = Forgetful()
        self.watches = Watches(
            self.store, self.tests, self.runs, self.reconciler, Metrics(self.store)  # type: ignore[arg-type]
        )  # fmt: skip

    def run_event(self, kind: str | None, body: Json) -> tuple[list[Key], list[Key]]:
        """The runs and the tests that the event has reconciled."""
        self.runs.added.clear()
        self.tests.added.clear()
        self.watches.run_event(kind, body)
        return self.runs.added, self.tests.added


@pytest.fixture
def world() -> World:
    return World()


def test_new_test_is_remembered_and_looked_at_and_a_deleted_one_forgotten(world: World) -> None:
    body = {"metadata": {"namespace": "team", "name": "shop", "uid": "u", "resourceVersion": "1"}}
    for kind in (None, "ADDED", "MODIFIED"):
        world.watches.test_event(kind, body)
    assert (world.store.tests, world.tests.added) == ({TEST: "u"}, [TEST] * 3)
    world.watches.test_event("DELETED", body)
    assert (world.store.tests, world.store.seen) == ({}, {})


def test_new_run_concerns_itself_and_its_test(world: World) -> None:
    assert world.run_event("ADDED", run_body()) == ([RUN], [TEST])


def test_test_of_thousands_of_runs_is_not_looked_at_for_each_of_them(world: World) -> None:
    for number in range(3000):
        world.run_event("ADDED", run_body(f"shop-{number}"))
    first, *_, last = world.tests.delays
    assert first < 0.01
    assert 2 < last < 10


def test_run_that_the_operator_made_itself_is_news_when_the_watch_tells_of_it(world: World) -> None:
    world.store.put_run(run_record(perf_run()))  # by whom it was created, before the event
    assert world.run_event("ADDED", run_body()) == ([RUN], [TEST])


def test_progress_is_no_news_but_a_pulse(world: World) -> None:
    world.run_event("ADDED", run_body(phase="Running"))
    assert world.run_event("MODIFIED", run_body(version="2", phase="Running", progress="1s")) == (
        [], [],
    )  # fmt: skip
    assert world.store.seen["PerfRun", "uid-shop-1"] == "2"


def test_stop_is_news_for_the_run_only(world: World) -> None:
    world.run_event("ADDED", run_body(phase="Running"))
    body = run_body(phase="Running")
    body["spec"]["stop"] = True
    assert world.run_event("MODIFIED", body) == ([RUN], [])


def test_finished_run_wakes_its_test_and_whose_turn_it_is(world: World) -> None:
    for name in ("next", "second"):
        world.run_event("ADDED", run_body(name, phase="Queued", target="shop:80"))
    world.run_event("ADDED", run_body("busy", phase="Running", target="other:80"))
    world.run_event("ADDED", run_body("stuck", phase="Queued", target="other:80"))
    world.run_event("ADDED", run_body(phase="Running", target="shop:80"))
    done = run_body(phase="Done", verdict="Pass", target="shop:80")
    assert world.run_event("MODIFIED", done) == ([RUN, Key("team", "next")], [TEST])


def test_deleted_run_is_let_go_and_who_waits_for_its_target_is_woken(world: World) -> None:
    world.run_event("ADDED", run_body("next", phase="Queued", target="shop:80"))
    body = run_body(phase="Running", target="shop:80")
    world.run_event("ADDED", body)
    assert world.run_event("DELETED", body) == ([Key("team", "next")], [TEST])
    assert world.reconciler.forgotten == [RUN]
    assert RUN not in world.store.runs


def test_deletion_of_what_was_never_seen_is_fine(world: World) -> None:
    assert world.run_event("DELETED", run_body()) == ([], [])


def test_run_that_cannot_be_read_is_looked_at_and_holds_no_target(world: World) -> None:
    world.run_event("ADDED", run_body(phase="Running", target="shop:80"))
    runs, _ = world.run_event("MODIFIED", run_body(phase="Running", startTime="yesterday"))
    assert runs == [Key("team", "shop-1")]
    assert world.store.runs == {}


def test_run_that_is_going_away_holds_its_target_no_more(world: World) -> None:
    world.run_event("ADDED", run_body("next", phase="Queued", target="shop:80"))
    body = run_body(phase="Running", target="shop:80")
    world.run_event("ADDED", body)
    body["metadata"]["deletionTimestamp"] = "2026-11-22T02:00:00Z"  # and a finalizer
    assert world.run_event("MODIFIED", body) == ([Key("team", "next"), RUN], [TEST])
    assert RUN not in world.store.runs
    assert world.run_event("DELETED", body) == ([], [])
