"""What is written of a status: only what has changed, and only on what it was decided on."""

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import perfrun
from perfrun.api import Json
from perfrun.api.metadata import Condition, Metadata
from perfrun.api.run.perfrun import PerfRunStatus, Phase, QueueStatus, WorkerCounts
from perfrun.api.test.perftest import PerfTestStatus
from perfrun.controller.objects.status import correct_status, merge_patch, write_status
from perfrun.kube.resources import PERF_RUNS
from tests.unit.controller.build import run_body
from tests.unit.controller.fake_kube import FakeKube, _merged

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
SOURCES = Path(perfrun.__file__).parent


class Recorder(FakeKube):
    """Keeps what was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Json] = []

    async def patch(self, *where: Any, sub: str = "") -> Json:
        self.sent.append(where[3])
        return await super().patch(*where, sub=sub)

    def run(self, **status: Any) -> Json:
        """A run with that status, as it is read."""
        return self.put(PERF_RUNS, run_body(**status))


async def test_only_differences_are_written_and_what_is_to_go_is_null() -> None:
    kube = Recorder()
    body = kube.run(
        phase="Running", progress="1s", workers={"planned": 2, "ready": 1, "reported": 0}
    )
    workers = WorkerCounts(planned=2, ready=1)
    same = PerfRunStatus(phase=Phase.RUNNING, workers=workers, queue=None)
    assert await correct_status(kube, PERF_RUNS, body, same) is body  # type: ignore[arg-type]
    assert kube.sent == []
    more = PerfRunStatus(progress=None, workers=WorkerCounts(planned=2, ready=2))
    after = await correct_status(kube, PERF_RUNS, body, more)  # type: ignore[arg-type]
    assert [one["status"] for one in kube.sent] == [{"progress": None, "workers": {"ready": 2}}]
    assert after["status"] == {
        "phase": "Running", "workers": {"planned": 2, "ready": 2, "reported": 0},
    }  # fmt: skip


async def test_a_status_that_cannot_be_read_is_replaced() -> None:
    kube = Recorder()
    body = kube.run(phase="Dancing", startTime="yesterday", revision="api-1")
    ended = PerfRunStatus(phase=Phase.DONE, queue=None)
    after = await correct_status(kube, PERF_RUNS, body, ended)  # type: ignore[arg-type]
    assert after["status"] == {"phase": "Done"}


def test_an_object_within_a_status_is_replaced_at_every_depth() -> None:
    old = {
        "version": "1",
        "asks": {"hosts": {"a": "x", "b": "y"}, "rate": {"amount": 1}},
        "gates": True,
    }
    new = {"version": "2", "asks": {"hosts": {"b": "z"}, "users": {"amount": 2}}}
    assert _merged(old, merge_patch(old, new)) == new
    assert merge_patch(new, new) == {}


def test_a_partial_status_is_what_the_api_server_gives_back() -> None:
    # Else a status would differ from itself, and be written for ever.
    condition = Condition(type="Ready", status="True", reason="Accepted", observed_generation=1,
                          last_transition_time=NOW)  # fmt: skip
    changes = PerfRunStatus(conditions=[condition], workers=WorkerCounts(planned=2))
    written = changes.as_patch()
    assert written == {
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "Accepted", "message": "",
            "observedGeneration": 1, "lastTransitionTime": "2026-11-22T02:00:00Z",
        }],
        "workers": {"planned": 2, "ready": 0, "reported": 0},
    }  # fmt: skip
    assert PerfRunStatus.model_validate(written).as_patch() == written


async def test_write_names_the_object_and_version_that_it_was_decided_on() -> None:
    kube = Recorder()
    body = kube.run(queue={"reason": "shop:80 is under load", "position": 1})
    about = Metadata.model_validate(body["metadata"])
    place = QueueStatus(reason="shop:80 is under load", position=2)
    named = {"uid": about.uid, "resourceVersion": about.resource_version}
    await write_status(kube, PERF_RUNS, about, PerfRunStatus(queue=place))  # type: ignore[arg-type]
    assert kube.sent[-1] == {
        "metadata": named, "status": {"queue": {"reason": place.reason, "position": 2}},
    }  # fmt: skip
    gone = PerfRunStatus(queue=None)
    await write_status(kube, PERF_RUNS, about, gone, any_version=True)  # type: ignore[arg-type]
    assert kube.sent[-1] == {"metadata": {"uid": about.uid}, "status": {"queue": None}}


def nodes(under: str = ".") -> Iterator[tuple[str, ast.AST]]:
    """All nodes of the package, with the file that they stand in."""
    for file in (SOURCES / under).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            yield str(file.relative_to(SOURCES)), node


def test_one_place_writes_a_status_and_one_decides_what_that_of_a_run_says() -> None:
    """Whoever writes one hands over a model, as its types say."""
    writers, authors = set(), set()
    for file, node in nodes():
        if isinstance(node, ast.keyword) and ast.unparse(node) == "sub='status'":
            writers.add(file)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "PerfRunStatus":
            authors |= {file} if node.keywords else set()
    assert writers == {"controller/objects/status.py"}
    # Its verdict's part of the end; and of a run outside of a cluster, which has no transitions.
    assert authors == {
        "logic/run/status.py", "logic/verdict/outcome.py", "report/document.py",
    }  # fmt: skip


def test_no_field_of_a_status_is_a_text_in_the_operator() -> None:
    fields = [*PerfRunStatus.model_fields.values(), *PerfTestStatus.model_fields.values()]
    names = {field.alias for field in fields if field.alias and not field.alias.islower()}
    quoted = {
        (file, node.value)
        for file, node in nodes("controller")
        if isinstance(node, ast.Constant) and node.value in names
    }
    assert quoted == {("controller/run/environment.py", "startTime")}  # that of a pod
