"""Runs and their results, from an API server over HTTP."""

import pytest

from perfrun.cli.cluster.refusals import sentence
from perfrun.cli.cluster.shell import Cluster
from perfrun.cli.sources import RunArgumentError, Sources
from perfrun.kube.errors import KubeError
from tests.unit.cli.fake_api import FakeApi, perftest_body, status_body
from tests.unit.cli.test_sources import kept
from tests.unit.report.test_reading import a_result


def held() -> FakeApi:
    """A test with one run, and its result in ConfigMaps."""
    body, maps = kept()
    pieces = [
        {"metadata": {"name": name, "namespace": "shop"}, **piece} for name, piece in maps.items()
    ]
    tests = [perftest_body("api-under-load"), perftest_body("fresh")]
    return FakeApi({"perfruns": [body], "perftests": tests, "configmaps": pieces})


@pytest.fixture
def api() -> FakeApi:
    return held()


def sources(cluster: Cluster) -> Sources:
    return Sources(lambda: cluster, last=1, full=True)


@pytest.mark.parametrize("argument", ["r-1", "run/r-1", "test/api-under-load"])
def test_a_run_comes_with_its_full_result(cluster: Cluster, argument: str):
    reader = sources(cluster)
    (one,) = reader.read(argument)
    assert (one.run.metadata.name, one.result, reader.notes) == ("r-1", a_result(), [])


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("none", "there is no PerfRun none in namespace shop"),
        ("test/none", "there is no PerfTest none in namespace shop"),
        ("test/fresh", "PerfTest fresh has 0 finished runs in namespace shop"),
    ],
)
def test_what_is_not_there_is_told(cluster: Cluster, argument: str, told: str):
    with pytest.raises(RunArgumentError, match=told):
        sources(cluster).read(argument)


def test_a_piece_that_is_gone_leaves_the_status(api: FakeApi, cluster: Cluster):
    api.objects["configmaps"].clear()
    reader = sources(cluster)
    (one,) = reader.read("r-1")
    assert one.result is None
    (note,) = reader.notes
    assert note.endswith("was deleted)")


def test_whoever_may_not_read_config_maps_gets_the_status_and_a_note(
    api: FakeApi, cluster: Cluster
):
    message = 'configmaps "x" is forbidden: User "jo" cannot get resource "configmaps"'
    api.refusing["GET", "configmaps"] = status_body(403, message, "Forbidden")
    reader = sources(cluster)
    (one,) = reader.read("r-1")
    assert one.result is None
    (note,) = reader.notes
    assert note.startswith("r-1: its full result cannot be read (jo may not get configmaps in")


def test_an_api_server_that_fails_is_no_missing_result(api: FakeApi, cluster: Cluster):
    api.refusing["GET", "configmaps"] = status_body(500, "etcd is away")
    with pytest.raises(KubeError, match="etcd is away"):
        sources(cluster).read("r-1")


def test_whoever_may_not_read_runs_is_told(api: FakeApi, cluster: Cluster):
    message = 'perfruns "x" is forbidden: User "jo" cannot list resource "perfruns"'
    api.refusing["GET", "perfruns"] = status_body(403, message, "Forbidden")
    of_name = "it is not a file, so it must be a run in a cluster, but "
    for argument, what in (("r-1", of_name), ("test/api-under-load", "")):
        with pytest.raises(KubeError) as refused:
            sources(cluster).read(argument)
        assert sentence(refused.value).startswith(f"{argument}: {what}jo may not ")
