"""perfrun report and compare of runs that a cluster holds, full results included."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from tests.e2e.shop import ROOT, Json, Shop, until

TEST = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: reported}
spec:
  target: {http: {url: "http://shop:8000/api/v1/health"}}
  load: {workers: 2, burst: {requests: 2000, concurrency: 4}}
  slos: [{metric: successRate, min: 100%}, {metric: latency.p95, max: 5s}]
"""


def perfrun(shop: Shop, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, as a user of the namespace has it."""
    return subprocess.run(
        [sys.executable, "-m", "perfrun.cli.main", *arguments, "-n", shop.namespace],
        env=shop.cluster.env(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
    )


def told(shop: Shop, *arguments: str) -> str:
    """What it prints, where all is well and nothing is to be noted."""
    done = perfrun(shop, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def runs(shop: Shop) -> tuple[Json, Json]:
    """Two finished runs of one test, the older one first."""
    shop.apply(TEST)
    first = shop.done(shop.first_run("reported"))
    shop.kubectl("annotate", "ptest", "reported", "perfrun.dev/run-requested-at=again")
    until("a second run", lambda: len(shop.runs("reported")) == 2)
    second = shop.done(shop.runs("reported")[-1]["metadata"]["name"])
    return first, second


def test_a_run_is_printed_and_written_in_every_form(shop: Shop, runs: tuple[Json, Json]) -> None:
    name = runs[0]["metadata"]["name"]
    assert told(shop, "report", name).startswith(f"✔ PASS  {shop.namespace}/reported\n")
    suites = ET.fromstring(told(shop, "report", f"run/{name}", "--junit", "-"))
    assert (suites.get("tests"), suites.get("failures")) == ("3", "0")
    assert told(shop, "report", name, "--md", "-").startswith("### ✔ Pass: ")
    written = json.loads(told(shop, "report", name, "--json", "-"))
    assert written["status"]["summary"] == shop.run(name)["status"]["summary"]
    assert name in told(shop, "report", name, "--html", "-")


def test_a_test_means_its_last_run_or_its_last_two(shop: Shop, runs: tuple[Json, Json]) -> None:
    old, new = (run["metadata"]["name"] for run in runs)
    last = json.loads(told(shop, "report", "test/reported", "--json", "-"))
    assert last["metadata"]["name"] == new
    pair = json.loads(told(shop, "compare", "test/reported", "--json", "-"))
    assert [column["name"] for column in pair["columns"]] == [old, new]
    # Both plans were there to be compared, from the full results, and they are the same.
    assert not any("plan" in text or "measure" in text for text in pair["warnings"])


def test_a_result_that_is_gone_leaves_the_status_and_a_note(
    shop: Shop, runs: tuple[Json, Json]
) -> None:
    name = runs[0]["metadata"]["name"]
    piece, *_ = runs[0]["status"]["result"]["configMaps"]
    shop.kubectl("delete", "configmap", piece)
    done = perfrun(shop, "report", name, "--html", "-")
    assert done.returncode == 0
    assert f"its full result cannot be read (the ConfigMap {piece} was deleted)" in done.stderr
    assert name in done.stdout


def test_what_is_not_there_is_said(shop: Shop) -> None:
    done = perfrun(shop, "report", "nothing")
    assert done.returncode == 2
    assert f"there is no PerfRun nothing in namespace {shop.namespace}" in done.stderr
