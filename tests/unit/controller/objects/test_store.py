"""What is remembered of the watches: by test, by target, and never older than it was."""

from datetime import timedelta

from perfrun.api.run.perfrun import Phase
from perfrun.controller.objects.store import Key, Store, run_record
from tests.unit.controller.build import Json, perf_run, run_body

TEST = Key("team", "shop")


def put(store: Store, name: str, *, test: str = "shop", uid: str = "", **status: object) -> Key:
    store.put_run(run_record(perf_run(name, test=test, uid=uid, **status)))
    return Key("team", name)


def test_runs_of_a_test_come_oldest_first_and_only_its_own() -> None:
    store = Store()
    put(store, "b")
    put(store, "a")
    put(store, "other", test="other")
    assert [run.key.name for run in store.runs_of(TEST)] == ["a", "b"]


def test_run_that_is_created_again_has_one_place_among_those_of_its_test() -> None:
    store, first = Store(), run_record(perf_run("a"))
    store.put_run(first)
    put(store, "b")
    later = first._replace(uid="second", created=first.created + timedelta(seconds=1))
    store.put_run(later)
    assert [run.key.name for run in store.runs_of(TEST)] == ["b", "a"]
    store.put_run(later._replace(test="other"))
    assert [run.key.name for run in store.runs_of(TEST)] == ["b"]
    assert store.count_of(Key("team", "other")) == 1
    store.drop_run(first.key)
    assert store.count_of(Key("team", "other")) == 0


def test_dropped_run_is_gone_everywhere_and_dropping_again_is_fine() -> None:
    store = Store()
    key = put(store, "a")
    store.drop_run(key)
    store.drop_run(key)
    assert (store.runs, store.runs_of(TEST), list(store.unfinished())) == ({}, [], [])


def test_late_event_of_an_earlier_phase_does_not_free_the_target() -> None:
    store = Store()
    key = put(store, "a", phase="Starting", target="shop.team:80")
    put(store, "a")
    assert store.runs[key].holds_target
    put(store, "a", phase="Running", target="shop.team:80")
    assert store.runs[key].phase is Phase.RUNNING


def test_another_run_of_the_same_name_begins_anew() -> None:
    store = Store()
    key = put(store, "a", uid="first", phase="Done")
    put(store, "a", uid="second")
    assert store.runs[key].phase is None


def test_deletion_that_no_watch_told_of_is_forgotten_but_not_a_successor() -> None:
    store = Store()
    key = put(store, "a", uid="second")
    store.tests[TEST] = "test"
    store.forget("PerfRun", key, "first")
    store.forget("PerfTest", TEST, "another")
    assert store.uids("PerfRun") == {key: "second"}
    assert store.uids("PerfTest") == {TEST: "test"}
    store.forget("PerfRun", key, "second")
    store.forget("PerfTest", TEST, "test")
    assert store.uids("PerfRun") == store.uids("PerfTest") == {}


def test_pulse_is_the_version_last_delivered() -> None:
    store = Store()
    body: Json = run_body("a", version="7")
    store.pulse("PerfRun", body)
    assert store.seen == {("PerfRun", "uid-a"): "7"}
    store.forget_pulse("PerfRun", body)
    assert store.seen == {}


def test_record_counts_the_objectives_that_were_judged() -> None:
    slos = [
        {"metric": "errorRate", "verdict": verdict, "message": ""}
        for verdict in ("Pass", "Warn", "NotApplicable", "Inconclusive")
    ]
    assert run_record(perf_run(slos=slos)).slos == "1/3"
    assert run_record(perf_run()).slos is None


def test_phases_that_hold_the_target() -> None:
    holding = [p for p in Phase if run_record(perf_run(phase=p.value)).holds_target]
    assert holding == [Phase.STARTING, Phase.RUNNING, Phase.COLLECTING]
    assert not run_record(perf_run()).holds_target


def test_run_that_gave_its_turn_back_waits_though_its_phase_goes_back() -> None:
    store = Store()
    key = put(store, "a", phase="Starting", target="shop.team:80", turns=1)
    put(store, "a", phase="Queued", target="shop.team:80", turns=1)
    assert (store.runs[key].holds_target, store.queues.open_in("team")) == (False, 1)
    put(store, "a", phase="Starting", target="shop.team:80", turns=1)  # an event that came late
    assert not store.runs[key].holds_target
    put(store, "a", phase="Starting", target="shop.team:80", turns=2)
    assert store.runs[key].holds_target


def test_run_that_waits_and_is_seen_as_it_stands_rests_until_its_own_look() -> None:
    store = Store()
    key = put(store, "a", phase="Queued", target="shop.team:80")
    store.pulse("PerfRun", run_body("a", version="7"))
    assert store.rests("PerfRun", key, "uid-a", "7")
    assert not store.rests("PerfRun", key, "uid-a", "8")
    put(store, "a", phase="Starting", target="shop.team:80", turns=1)
    assert not store.rests("PerfRun", key, "uid-a", "7")
