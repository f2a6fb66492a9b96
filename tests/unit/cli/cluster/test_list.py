"""``perfrun list``: what is chosen, and its three forms."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from perfrun.api.run.perfrun import Verdict
from perfrun.api.times import format_time
from perfrun.cli.cluster import Cluster
from perfrun.cli.cluster.list import Wanted, list_objects, parse_verdicts
from perfrun.cli.terminal.choices import ListForm, What
from perfrun.cli.terminal.exits import Exit
from tests.unit.cli.fake_api import FakeApi, perftest_body, run_body
from tests.unit.cli.fixtures_cluster import Streams, cluster_of

SUMMARY = {"throughput": "180/s", "errorRate": "0%", "latency": {"p95": "0.463ms"}}


def ago(**span: int) -> str:
    return format_time(datetime.now(UTC) - timedelta(**span))


@pytest.fixture
def api() -> FakeApi:
    running = run_body("api-2", created=ago(minutes=3, seconds=30), phase="Running")
    old = run_body(
        "api-1", created=ago(hours=5, minutes=30), phase="Done", verdict="Pass", summary=SUMMARY
    )
    short = {**SUMMARY, "latency": {"p95": "unsupported"}}
    bad = run_body(
        "db-1", "db", ago(hours=4, minutes=30), phase="Done", verdict="Fail", summary=short
    )
    known = {
        "lastVerdict": "Pass",
        "lastSlos": "3/3",
        "lastCompletionTime": ago(minutes=5, seconds=30),
        "nextScheduleTime": ago(minutes=-10, seconds=-30),
        "trend": {"state": "Stable", "message": "as ever"},
        "active": ["api-2"],
    }
    return FakeApi(
        {
            "perftests": [perftest_body("db", lastVerdict="Fail"), perftest_body("api", **known)],
            "perfruns": [old, running, bad],
            "namespaces": [{"metadata": {"name": "shop", "namespace": ""}}],
        }
    )


@pytest.fixture
def cluster(api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    with cluster_of(api, tmp_path, monkeypatch) as cluster:
        yield cluster


def said(cluster: Cluster, **wanted) -> tuple[Exit, list[str], str]:
    streams = Streams()
    known = {"what": What.TESTS, **wanted}
    code = list_objects(cluster, Wanted(**known), streams.out, streams.err)
    return code, streams.printed.splitlines(), streams.told


def test_tests_by_name(cluster: Cluster):
    code, lines, _ = said(cluster)
    assert code is Exit.OK
    assert lines == [
        "TEST\tSCHEDULE\tVERDICT\tSLOS\tTREND\tLAST\tNEXT\tNOTE",
        "api\t0 2 * * * (Europe/Berlin)\tPass\t3/3\tStable\t5m ago\tin 10m\tapi-2 under way",
        "db\t0 2 * * * (Europe/Berlin)\tFail\t-\t-\t-\t-\t-",
    ]


def test_runs_newest_first(cluster: Cluster):
    _, lines, _ = said(cluster, what=What.RUNS)
    assert lines == [
        "RUN\tTEST\tVERDICT\tP95\tRATE\tERRORS\tAGE\tREASON",
        "api-2\tapi\tRunning\t-\t-\t-\t3m\tRequested",
        "db-1\tdb\tFail\tn/a\t180/s\t0%\t4h\tRequested",
        "api-1\tapi\tPass\t0.463ms\t180/s\t0%\t5h\tRequested",
    ]


def names(lines: list[str]) -> list[str]:
    return [line.split("\t")[0] for line in lines[1:]]


def test_what_is_chosen(cluster: Cluster):
    assert names(said(cluster, what=What.RUNS, test="api")[1]) == ["api-2", "api-1"]
    failed = parse_verdicts(["fail", "Warn,error"])
    assert failed == {Verdict.FAIL, Verdict.WARN, Verdict.ERROR}
    assert names(said(cluster, what=What.RUNS, verdicts=failed)[1]) == ["db-1"]
    assert names(said(cluster, verdicts=failed)[1]) == ["db"]
    assert names(said(cluster, test="api")[1]) == ["api"]
    with pytest.raises(ValueError, match="there is no verdict 'good'; there are Pass, "):
        parse_verdicts(["good"])


def test_labels_are_asked_of_the_server(cluster: Cluster, api: FakeApi):
    api.objects["perftests"][0]["metadata"]["labels"] = {"team": "a"}
    assert names(said(cluster, labels="team=a")[1]) == ["db"]


def test_all_namespaces_are_named(cluster: Cluster):
    _, lines, _ = said(cluster, everywhere=True)
    assert lines[0].startswith("NAMESPACE\tTEST\t")
    assert lines[1].startswith("shop\tapi\t")


def test_nothing_is_told_on_standard_error(cluster: Cluster, api: FakeApi):
    code, lines, told = said(
        cluster, what=What.RUNS, test="nope", verdicts=parse_verdicts(["Fail"])
    )
    assert (code, lines) == (Exit.OK, [])
    assert (
        told == "there are no PerfRuns of nope that are Fail in namespace shop; there are others\n"
    )
    api.objects["perftests"] = []
    assert said(cluster)[2] == "there are no PerfTests in namespace shop\n"


def test_a_namespace_that_is_not_there_is_wrong_usage(api: FakeApi, tmp_path: Path, monkeypatch):
    with cluster_of(api, tmp_path, monkeypatch, "shpo") as cluster:
        code, lines, told = said(cluster, output=ListForm.JSON)
    assert (code, lines, told) == (Exit.USAGE, [], "there is no namespace shpo\n")


@pytest.mark.parametrize(
    ("form", "read"), [(ListForm.JSON, json.loads), (ListForm.YAML, yaml.safe_load)]
)
def test_objects_as_kubectl_prints_them(cluster: Cluster, api: FakeApi, form: ListForm, read):
    streams = Streams()
    list_objects(cluster, Wanted(What.RUNS, output=form), streams.out, streams.err)
    document = read(streams.printed)
    assert (document["apiVersion"], document["kind"]) == ("v1", "List")
    assert [item["metadata"]["name"] for item in document["items"]] == ["api-2", "db-1", "api-1"]
    assert document["items"][0] == api.objects["perfruns"][1]


def test_what_the_server_notes_for_itself_is_left_out(cluster: Cluster):
    streams = Streams()
    list_objects(cluster, Wanted(What.TESTS, output=ListForm.JSON), streams.out, streams.err)
    assert "managedFields" not in streams.printed
    assert json.loads(streams.printed)["items"][0]["spec"]["schedule"]["cron"] == "0 2 * * *"


@pytest.mark.parametrize("form", list(ListForm))
def test_no_form_steers_the_terminal(cluster: Cluster, api: FakeApi, form: ListForm):
    api.objects["perftests"] = [
        perftest_body(
            "x", lastVerdict="\x1b]0;owned\x07", trend={"state": "Suspect", "message": "\x9b2J"}
        )
    ]
    streams = Streams()
    list_objects(cluster, Wanted(What.TESTS, output=form), streams.out, streams.err)
    assert not {"\x1b", "\x07", "\x9b"} & set(streams.printed)
