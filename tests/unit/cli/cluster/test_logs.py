"""``perfrun logs``: of the workers, or of what is known once they are gone."""

import pytest

from perfrun.cli.cluster.logs import logs
from perfrun.cli.cluster.shell import Cluster
from perfrun.cli.terminal.exits import Exit
from tests.unit.cli.fake_api import FakeApi, pod_body, run_body
from tests.unit.cli.fixtures_cluster import Streams


@pytest.fixture
def api() -> FakeApi:
    finding = {"type": "Lag", "effect": "Inflating", "message": "starts were 4ms late"}
    done = run_body(
        "api-1",
        phase="Done",
        verdict="Inconclusive",
        message="1 of 3 objectives inconclusive",
        generator={"findings": [finding]},
    )
    events = [
        {"metadata": {"name": "b", "namespace": "shop"}, "eventTime": "2026-11-25T10:00:09.123456Z",
         "reason": "Inconclusive", "message": "1 of 3\x1b[2J"},
        {"metadata": {"name": "a", "namespace": "shop"}, "lastTimestamp": "2026-11-25T10:00:01Z",
         "reason": "Started", "message": "2 workers"},
    ]  # fmt: skip
    running = run_body("api-2", phase="Running", progress="3s")
    return FakeApi(
        {
            "perfruns": [done, running, run_body("api-3", phase="Starting")],
            "pods": [pod_body("api-2", 10), pod_body("api-2", 2)],
            "events": events,
        },
        logs={"pr-api-2-2": "two\n", "pr-api-2-10": "ten \x1b[31m\nten again\n"},
    )


def said(
    cluster: Cluster, run: str, worker: int | None = None, *, follow: bool = False
) -> tuple[Exit, list[str], str]:
    streams = Streams()
    code = logs(cluster, run, streams.out, streams.err, worker=worker, follow=follow)
    return code, streams.printed.splitlines(), streams.told


def test_several_workers_in_their_order_each_line_with_its_index(cluster: Cluster):
    assert said(cluster, "api-2") == (
        Exit.OK,
        ["[2] two", "[10] ten  [31m", "[10] ten again"],
        "",
    )


def test_one_worker_without_an_index(cluster: Cluster):
    assert said(cluster, "api-2", 2)[1] == ["two"]
    code, lines, told = said(cluster, "api-2", 7)
    assert (code, lines) == (Exit.USAGE, [])
    assert told == "run api-2 has no pod of worker 7; it has pods of: 2, 10\n"


def test_a_worker_that_has_not_started_is_told_and_the_others_are_shown(
    cluster: Cluster, api: FakeApi
):
    api.logs["pr-api-2-2"] = 400
    code, lines, told = said(cluster, "api-2")
    assert (code, lines) == (Exit.OK, ["[10] ten  [31m", "[10] ten again"])
    assert told == "worker 2 has no log: ContainerCreating\n"


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({}, "the pod is Pending"),
        ({"conditions": [{"status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}]},
         "Unschedulable: 0/1 nodes"),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]},
         "ImagePullBackOff"),
    ],
)  # fmt: skip
def test_a_worker_that_is_not_placed_is_told_with_the_reason(
    cluster: Cluster, api: FakeApi, status: dict, why: str
):
    api.objects["pods"][1]["status"] = {"phase": "Pending", **status}
    assert said(cluster, "api-2", 2) == (Exit.OK, [], f"worker 2 has not started: {why}\n")


def test_following_waits_for_a_worker_until_the_run_is_over(
    cluster: Cluster, api: FakeApi, monkeypatch: pytest.MonkeyPatch
):
    pod = api.objects["pods"][1]
    pod["status"] = {"phase": "Pending"}
    steps = [lambda: None, lambda: pod.update(status={"phase": "Running"})]

    async def sleep(_: float) -> None:
        steps.pop(0)()

    monkeypatch.setattr("perfrun.cli.cluster.logs.sleep", sleep)
    assert said(cluster, "api-2", 2, follow=True)[:2] == (Exit.OK, ["two"])
    pod["status"] = {"phase": "Pending"}
    over = {"phase": "Done", "verdict": "Error", "message": "could not start"}
    steps += [lambda: api.objects["perfruns"][1].update(status=over)]
    code, lines, told = said(cluster, "api-2", 2, follow=True)
    assert (code, lines, told) == (Exit.OK, [], "Error: could not start\n")


def test_following_ends_with_the_workers_and_says_how_far_the_run_is(cluster: Cluster):
    code, lines, told = said(cluster, "api-2", follow=True)
    assert code is Exit.OK
    assert sorted(lines) == ["[10] ten  [31m", "[10] ten again", "[2] two"]
    assert told == "Running: 3s\n"


def test_following_a_pod_that_goes_ends_too(cluster: Cluster, api: FakeApi):
    del api.logs["pr-api-2-2"]
    assert said(cluster, "api-2", 2, follow=True)[:2] == (Exit.OK, [])


@pytest.mark.parametrize("follow", [False, True])
def test_after_the_run_there_is_what_is_known_of_it(cluster: Cluster, follow: bool):
    code, lines, told = said(cluster, "api-1", follow=follow)
    assert code is Exit.OK
    assert lines == [
        "api-1  Inconclusive: 1 of 3 objectives inconclusive",
        "finding  Lag: starts were 4ms late",
        "2026-11-25T10:00:01Z  Started: 2 workers",
        "2026-11-25T10:00:09Z  Inconclusive: 1 of 3 [2J",
    ]
    assert told.startswith("the workers' pods and their logs have been deleted")


def test_before_the_pods_there_is_what_is_known_of_the_run(cluster: Cluster):
    code, lines, told = said(cluster, "api-3")
    assert (code, lines[0]) == (Exit.OK, "api-3  Starting: in progress")
    assert told.startswith("no worker has a pod yet")


def test_a_run_that_is_not_there_is_wrong_usage(cluster: Cluster):
    assert said(cluster, "nope") == (
        Exit.USAGE,
        [],
        "there is no PerfRun nope in namespace shop\n",
    )
