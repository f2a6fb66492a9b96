"""Real statuses of pods and Jobs, and the facts and sentences that they become."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perfrun.api.times import format_time
from perfrun.controller.objects.pods import (
    GONE_AFTER,
    failed_indexes,
    gone_pod,
    job_state,
    pod_facts,
)
from perfrun.kube.client import owned_by
from perfrun.logic.run.facts import JobState

Json = dict[str, Any]

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
TAINTED = [
    {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "DeletionByTaintManager",
        "message": "Taint manager: deleting due to NoExecute taint",
    }
]
TAINT = "DeletionByTaintManager: Taint manager: deleting due to NoExecute taint"


def pod(index: str | None = "1", **status: Any) -> Json:
    notes = {} if index is None else {"batch.kubernetes.io/job-completion-index": index}
    return {"metadata": {"name": "pr-x-1-abcde", "annotations": notes}, "status": status}


def container(**state: Any) -> list[Json]:
    return [{"name": "worker", "state": state}]


def proxy(**state: Any) -> list[Json]:
    return [{"name": "istio-proxy", "state": state}]


def condition(reason: str, message: str) -> list[Json]:
    return [{"type": "PodScheduled", "status": "False", "reason": reason, "message": message}]


TABLE: list[tuple[str, Json, bool, str | None]] = [
    ("just made", {"phase": "Pending"}, False, None),
    ("on its node", {"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "True"}]}, False, None),
    ("its image comes", {"phase": "Pending", "containerStatuses": container(
        waiting={"reason": "ContainerCreating"})}, False, None),
    ("a side car comes first", {"phase": "Pending", "containerStatuses": container(
        waiting={"reason": "PodInitializing"})}, False, None),
    ("runs", {"phase": "Running", "containerStatuses": container(running={})}, False, None),
    ("no room on any node",
     {"phase": "Pending", "conditions": condition("Unschedulable", "0/3 nodes are available")},
     False, "Unschedulable: 0/3 nodes are available"),
    ("held back by a gate",
     {"phase": "Pending", "conditions": condition("SchedulingGated", "waits for a gate")},
     False, "SchedulingGated: waits for a gate"),
    ("no such image", {"phase": "Pending", "containerStatuses": container(
        waiting={"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x:1"'})},
     False, 'ImagePullBackOff: Back-off pulling image "x:1"'),
    ("no such key", {"phase": "Pending", "containerStatuses": container(
        waiting={"reason": "CreateContainerConfigError", "message": 'secret "s" not found'})},
     False, 'CreateContainerConfigError: secret "s" not found'),
    ("a reason without a message", {"phase": "Pending", "containerStatuses": container(
        waiting={"reason": "ErrImagePull"})}, False, "ErrImagePull"),
    ("a side car's image is not there", {"phase": "Pending",
     "initContainerStatuses": container(waiting={"reason": "ErrImagePull", "message": "no"}),
     "containerStatuses": container(waiting={"reason": "PodInitializing"})},
     False, "ErrImagePull: no"),
    ("out of memory", {"phase": "Failed", "containerStatuses": container(
        terminated={"exitCode": 137, "reason": "OOMKilled"})},
     True, "OOMKilled: it ran out of memory; raise podTemplate.resources.limits.memory"),
    ("evicted", {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."},
     True, "Evicted: The node was low on memory."),
    ("its node went away", {"phase": "Failed", "reason": "NodeLost"}, True, "NodeLost"),
    ("its Job's deadline", {"phase": "Failed", "reason": "DeadlineExceeded", "message": "too long"},
     True, "DeadlineExceeded: too long"),
    ("died with last words", {"phase": "Failed", "containerStatuses": container(
        terminated={"exitCode": 1, "reason": "Error", "message": "a\nValueError: no\n\n"})},
     True, "exit code 1: ValueError: no"),
    ("died without a word", {"phase": "Failed", "containerStatuses": container(
        terminated={"exitCode": 139, "reason": "Error"})}, True, "exit code 139"),
    ("the worker ended well, a side car did not", {"phase": "Failed", "containerStatuses": [
        *container(terminated={"exitCode": 0}),
        *proxy(terminated={"exitCode": 2, "message": "proxy"})]},
     True, "exit code 2: proxy"),
    ("both died, the side car first", {"phase": "Failed", "containerStatuses": [
        *proxy(terminated={"exitCode": 2, "message": "proxy"}),
        *container(terminated={"exitCode": 1, "message": "worker"})]},
     True, "exit code 1: worker"),
    ("out of memory beside a side car that goes on", {"phase": "Running", "containerStatuses": [
        *proxy(running={}),
        *container(terminated={"exitCode": 137, "reason": "OOMKilled"})]},
     True, "OOMKilled: it ran out of memory; raise podTemplate.resources.limits.memory"),
    ("died beside a native side car", {"phase": "Running",
     "initContainerStatuses": proxy(running={}),
     "containerStatuses": container(terminated={"exitCode": 1, "message": "no"})},
     True, "exit code 1: no"),
    ("ended well beside a side car that goes on", {"phase": "Running", "containerStatuses": [
        *container(terminated={"exitCode": 0}), *proxy(running={})]}, True, None),
    ("a side car died, the worker goes on", {"phase": "Running", "containerStatuses": [
        *container(running={}), *proxy(terminated={"exitCode": 1})]}, False, None),
    ("the command of a benchmark could not be started beside the worker", {"phase": "Running",
     "containerStatuses": [*container(running={}), {"name": "command", "state": {"terminated": {
         "exitCode": 128, "reason": "StartError", "message": "exec format error"}}}]},
     False, "container command: exit code 128: exec format error"),
    ("the command's image is not there", {"phase": "Pending",
     "containerStatuses": [*container(running={}), {"name": "command", "state": {"waiting": {
         "reason": "ErrImagePull", "message": "no such image"}}}]},
     False, "ErrImagePull: no such image"),
    ("failed, and nobody says why", {"phase": "Failed"}, True, "it failed without a reason"),
    ("ended well", {"phase": "Succeeded", "containerStatuses": container(
        terminated={"exitCode": 0})}, True, None),
    ("nothing known yet", {}, False, None),
    ("its node is tainted", {"phase": "Running", "conditions": TAINTED,
     "containerStatuses": container(running={})}, False, TAINT),
    ("no disruption", {"phase": "Running", "conditions": [
        {"type": "DisruptionTarget", "status": "False", "reason": "x"}]}, False, None),
    ("its node was tainted", {"phase": "Failed", "conditions": TAINTED, "containerStatuses":
     container(terminated={"exitCode": 143, "message": "event=terminated"})}, True, TAINT),
    ("ended by a disruption, beside a side car", {"phase": "Running", "conditions": TAINTED,
     "containerStatuses": container(terminated={"exitCode": 1})}, True, TAINT),
    ("reported and ended well in a disruption", {"phase": "Running", "conditions": TAINTED,
     "containerStatuses": container(terminated={"exitCode": 0})}, True, TAINT),
    ("evicted by the kubelet", {"phase": "Failed", "reason": "Evicted", "message": "low on memory",
     "conditions": [{"type": "DisruptionTarget", "status": "True",
                     "reason": "TerminationByKubelet"}]}, True, "Evicted: low on memory"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "dead", "problem"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_pod(status: Json, dead: bool, problem: str | None) -> None:
    facts = pod_facts(pod(**status), NOW)
    assert (facts.dead, facts.problem) == (dead, problem)
    assert (facts.name, facts.index) == ("pr-x-1-abcde", 1)


@pytest.mark.parametrize(
    ("gone_by", "conditions", "dead", "problem"),
    [
        (30, [], False, "it was deleted"),
        (0, [], False, "it was deleted"),
        (-GONE_AFTER.total_seconds(), TAINTED, False, TAINT),
        (
            -GONE_AFTER.total_seconds() - 1,
            [],
            True,
            "it was deleted, and its node has not confirmed that it ended",
        ),
        (-GONE_AFTER.total_seconds() - 1, TAINTED, True, TAINT),
    ],
)
def test_pod_that_is_being_deleted_is_dead_once_nobody_can_be_ending_it(
    gone_by: float, conditions: list[Json], dead: bool, problem: str
) -> None:
    body = pod(phase="Running", conditions=conditions, containerStatuses=container(running={}))
    body["metadata"]["deletionTimestamp"] = format_time(NOW + timedelta(seconds=gone_by))
    facts = pod_facts(body, NOW)
    assert (facts.dead, facts.problem) == (dead, problem)


@pytest.mark.parametrize(
    ("status", "left_undone"),
    [
        ({"phase": "Running", "containerStatuses": container(running={})}, False),
        ({"phase": "Failed", "containerStatuses": container(terminated={"exitCode": 137})}, True),
        ({"phase": "Failed", "containerStatuses": container(terminated={"exitCode": 1})}, False),
        ({"phase": "Succeeded", "containerStatuses": container(terminated={"exitCode": 0})}, False),
        ({"phase": "Failed", "containerStatuses": container(terminated={"exitCode": 143})}, False),
        ({"phase": "Failed", "reason": "NodeLost"}, True),
    ],
)
def test_who_was_killed_could_not_clean_up(status: Json, left_undone: bool) -> None:
    assert pod_facts(pod(**status), NOW).left_undone is left_undone


@pytest.mark.parametrize(
    ("written", "indexes"),
    [
        (None, set()),
        ("", set()),
        ("1", {1}),
        ("0,2-4", {0, 2, 3, 4}),
        ("3-999999999999", {3, 4}),
        ("7", set()),
        ("x,-,2-,-3,4-1", {2}),
    ],
)
def test_workers_that_the_job_has_given_up(written: str | None, indexes: set[int]) -> None:
    status = {} if written is None else {"failedIndexes": written}
    assert failed_indexes({"status": status}, planned=5) == indexes


def test_worker_whose_pod_is_gone_is_dead_and_says_so() -> None:
    facts = gone_pod("pr-x", 1)
    assert facts.left_undone
    assert (facts.name, facts.index, facts.dead) == ("pr-x-1", 1, True)
    assert facts.problem is not None


@pytest.mark.parametrize(("index", "read"), [("0", 0), ("12", 12), (None, -1), ("x", -1)])
def test_index_of_a_pod(index: str | None, read: int) -> None:
    assert pod_facts(pod(index), NOW).index == read


def test_last_words_are_bounded() -> None:
    ended = container(terminated={"exitCode": 1, "message": "x" * 100_000})
    problem = pod_facts(pod(phase="Failed", containerStatuses=ended), NOW).problem
    assert problem is not None
    assert len(problem) < 600


def job(*conditions: tuple[str, str], uid: str = "run", **metadata: Any) -> Json:
    return {
        "metadata": {"ownerReferences": [{"uid": uid}], **metadata},
        "status": {"conditions": [{"type": kind, "status": status} for kind, status in conditions]},
    }


@pytest.mark.parametrize(
    ("body", "state"),
    [
        (None, JobState.ABSENT),
        (job(), JobState.ACTIVE),
        (job(("Complete", "True")), JobState.FINISHED),
        (job(("Failed", "True")), JobState.FINISHED),
        (job(("Complete", "False")), JobState.ACTIVE),
        # Kubernetes 1.31 says these first, while pods are still ending.
        (job(("FailureTarget", "True")), JobState.ACTIVE),
        (job(("SuccessCriteriaMet", "True")), JobState.ACTIVE),
        (job(("Complete", "True"), uid="another run"), JobState.ABSENT),
        (job(deletionTimestamp="2026-11-22T02:00:00Z"), JobState.ABSENT),
        ({"metadata": {"ownerReferences": [{"uid": "run"}]}}, JobState.ACTIVE),  # just made
    ],
)
def test_job_state(body: Json | None, state: JobState) -> None:
    assert job_state(body, "run") is state


def test_owner_is_known_by_its_uid() -> None:
    body = {"metadata": {"ownerReferences": [{"uid": "a"}, {"uid": "b"}]}}
    assert owned_by(body, "b")
    assert not owned_by(body, "c")
    assert not owned_by({"metadata": {}}, "a")


@pytest.mark.parametrize(
    ("containers", "since"),
    [
        (container(running={"startedAt": "2026-11-22T02:00:00Z"}), "2026-11-22 02:00:00+00:00"),
        (container(waiting={"reason": "ContainerCreating"}), "None"),
        ([{"name": "proxy", "state": {"running": {"startedAt": "2026-11-22T02:00:00Z"}}}], "None"),
        ([], "None"),
    ],
)
def test_since_when_a_worker_runs(containers: list[Json], since: str) -> None:
    facts = pod_facts(pod(phase="Running", containerStatuses=containers), NOW)
    assert str(facts.running_since) == since
