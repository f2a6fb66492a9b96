"""What the arguments of report and compare name."""

import base64
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perfrun.api import Json
from perfrun.cli.sources import Objects, RunArgumentError, Sources
from perfrun.kube.errors import KubeError
from perfrun.kube.resources import CONFIG_MAPS, PERF_RUNS, PERF_TESTS, Resource
from tests.unit.coordinator.conftest import UID
from tests.unit.report.sample import warned
from tests.unit.report.test_reading import a_result, pieces


class FakeCluster:
    """A namespace with runs, tests and ConfigMaps."""

    def __init__(self, *runs: Json, tests: tuple[str, ...] = (), maps: Json | None = None) -> None:
        self.namespace = "shop"
        self.runs = list(runs)
        self.objects: dict[Resource, Json] = {
            PERF_RUNS: {body["metadata"]["name"]: body for body in runs},
            PERF_TESTS: {name: {} for name in tests},
            CONFIG_MAPS: maps or {},
        }
        self.asked: list[str] = []

    def find(self, resource: Resource, name: str) -> Json | None:
        self.asked.append(name)
        found: Json | None = self.objects[resource].get(name)
        return found

    def list(self, resource: Resource) -> list[Json]:
        assert resource is PERF_RUNS
        return self.runs


def run(name: str, completed: str = "2026-11-22T02:06:10Z", **status: Any) -> Json:
    body = warned()
    body["metadata"] |= {"name": name, "uid": UID}
    body["status"] |= {"completionTime": completed, **status}
    return body


def sources(cluster: Objects, *, last: int = 1, full: bool = True) -> Sources:
    return Sources(lambda: cluster, last=last, full=full)


def no_cluster() -> Objects:
    raise KubeError(0, "no cluster found")


def names(found: list[Any]) -> list[str]:
    return [one.run.metadata.name for one in found]


@pytest.mark.parametrize("argument", ["r-1", "run/r-1", "prun/r-1", "perfruns.perfrun.dev/r-1"])
def test_a_name_is_a_run_of_the_cluster(argument: str):
    assert names(sources(FakeCluster(run("r-1"))).read(argument)) == ["r-1"]


def test_a_file_is_read_where_one_of_that_name_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r-1").write_bytes(a_result().to_bytes())
    (tmp_path / "r.json").write_bytes(a_result().to_bytes())
    files = Sources(no_cluster, last=1, full=True)
    for argument in ("r-1", "r.json", "./r.json", str(tmp_path / "r.json")):
        assert names(files.read(argument)) == ["api-1"]
    with pytest.raises(KubeError):
        files.read("r-2")


@pytest.mark.parametrize("argument", ["no.json", "./no", "no.json.gz"])
def test_what_can_only_be_a_file_is_not_asked_of_a_cluster(argument: str):
    with pytest.raises(RunArgumentError, match="cannot be read: No such file or directory"):
        Sources(no_cluster, last=1, full=True).read(argument)


def test_standard_input_is_a_file(monkeypatch: pytest.MonkeyPatch):
    stdin = io.TextIOWrapper(io.BytesIO(json.dumps(run("r-1")).encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert names(Sources(no_cluster, last=1, full=True).read("-")) == ["r-1"]


def test_a_file_that_is_no_result_is_named(tmp_path: Path):
    (tmp_path / "a\x1b.json").write_text("{")
    with pytest.raises(RunArgumentError, match=r"/a \.json:1:2: error: not JSON: a name in double"):
        Sources(no_cluster, last=1, full=True).read(str(tmp_path / "a\x1b.json"))


HISTORY = (
    run("new", "2026-11-22T04:00:00Z"),
    run("old", "2026-11-22T02:00:00Z"),
    run("middle", "2026-11-22T03:00:00Z"),
    run("going", "2026-11-22T05:00:00Z", phase="Running"),
)


@pytest.mark.parametrize(("last", "expected"), [(1, ["new"]), (2, ["middle", "new"])])
def test_a_test_means_its_last_finished_runs_oldest_first(last: int, expected: list[str]):
    other = run("other", "2026-11-22T06:00:00Z")
    other["spec"]["testRef"]["name"] = "another"
    cluster = FakeCluster(*HISTORY, other)
    assert names(sources(cluster, last=last).read("test/api-under-load")) == expected


@pytest.mark.parametrize(
    ("argument", "last", "sentence"),
    [
        ("none", 1, "there is no PerfRun none in namespace shop, and no file with that name"),
        ("test/none", 1, "there is no PerfTest none in namespace shop"),
        (
            "test/api-under-load",
            9,
            "has 3 finished runs in namespace shop, but 9 to compare are needed",
        ),
        (
            "test/fresh",
            1,
            "PerfTest fresh has 0 finished runs in namespace shop, but one is needed",
        ),
    ],
)
def test_what_is_not_there_is_said(argument: str, last: int, sentence: str):
    cluster = FakeCluster(*HISTORY, tests=("fresh",))
    with pytest.raises(RunArgumentError) as found:
        sources(cluster, last=last).read(argument)
    assert sentence in str(found.value)


def kept() -> tuple[Json, Json]:
    """A run whose result is in ConfigMaps, and these."""
    ref, maps = pieces(a_result().pack(), 400)
    return run("r-1", result=ref.model_dump(mode="json")), maps


def test_the_full_result_comes_from_its_config_maps():
    body, maps = kept()
    reader = sources(FakeCluster(body, maps=maps))
    (one,) = reader.read("r-1")
    assert one.result == a_result()
    assert reader.notes == []


def test_the_full_result_is_not_asked_for_where_nobody_needs_it():
    body, maps = kept()
    cluster = FakeCluster(body, maps=maps)
    (one,) = sources(cluster, full=False).read("r-1")
    assert (one.result, cluster.asked) == (None, ["r-1"])


def gone(maps: Json) -> Json:
    return {}


def damaged(maps: Json) -> Json:
    first, *_ = maps
    return maps | {first: {"binaryData": {"result.json.gz": base64.b64encode(b"x").decode()}}}


@pytest.mark.parametrize(
    ("harm", "note"),
    [
        (gone, "r-1: its full result cannot be read (the ConfigMap pr-x-result-0 was deleted)"),
        (damaged, "r-1: its full result cannot be used (the result in the ConfigMaps is damaged"),
    ],
)
def test_without_its_full_result_the_status_serves_and_a_note_says_so(
    harm: Callable[[Json], Json], note: str
):
    body, maps = kept()
    reader = sources(FakeCluster(body, maps=harm(maps)))
    (one,) = reader.read("r-1")
    assert (one.result, one.run.status.verdict) == (None, "Warn")
    (told,) = reader.notes
    assert told.startswith(note)


def test_a_result_that_was_never_kept_is_noted():
    reader = sources(FakeCluster(run("r-1")))
    reader.read("r-1")
    assert reader.notes == ["r-1: its full result is no longer kept; only its status is used"]


def test_an_object_that_is_no_perfrun_is_one_sentence():
    with pytest.raises(RunArgumentError, match=r"PerfRun r-1: not a PerfRun: status\.verdict"):
        sources(FakeCluster(run("r-1", verdict="Great"))).read("r-1")
