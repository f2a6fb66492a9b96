"""A generator that is too weak must say so, and never pass what it did not measure."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from perfrun.api.quantities import parse_duration
from tests.campaign import Campaign
from tests.conformance.quota import limited
from tests.conformance.server import MS, serving
from tests.conformance.truth import quantile, service_times

TEST = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {{name: beyond-its-quota}}
spec:
  target: {{http: {{url: {url}}}}}
  load: {{open: {{rate: 8000/s, duration: 3s}}}}
  slos:
  - {{metric: throughput, min: 10/s}}
  - {{metric: latency.p95, max: 1ms}}
"""


@pytest.fixture(scope="module")
def status(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Of a run of 8000/s with a fifth of a core, against a server that answers at once."""
    folder: Path = tmp_path_factory.mktemp("quota")
    with serving("instant") as server, limited(0.2) as group:
        (folder / "test.yaml").write_text(TEST.format(url=server.url))
        command = f"echo $$ > {group}; exec {sys.executable} -m perfrun.cli.main run test.yaml"
        done = subprocess.run(
            ["sh", "-c", f"{command} --json run.json"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
    assert (folder / "run.json").exists(), done.stderr
    found: dict[str, object] = json.loads((folder / "run.json").read_text())["status"]
    return found


def test_a_throttled_generator_says_so(status: dict[str, object]) -> None:
    generator = status["generator"]
    assert isinstance(generator, dict)
    told = {finding["type"] for finding in generator["findings"]}
    assert "Throttled" in told


def test_what_it_did_not_send_is_no_pass_and_what_it_slowed_is_no_miss(
    status: dict[str, object],
) -> None:
    assert status["verdict"] == "Inconclusive"
    slos = status["slos"]
    assert isinstance(slos, list)
    assert {slo["verdict"] for slo in slos} == {"Inconclusive"}


JUDGED = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {{name: held-back}}
spec:
  target: {{http: {{url: {url}}}}}
  load: {{open: {{rate: {rate}/s, duration: 4s}}}}
  slos:
  - {{metric: latency.p50, max: 20ms}}
  - {{metric: latency.p75, max: 60ms}}
  - {{metric: latency.p95, max: 100ms}}
  - {{metric: service.p95, max: 100ms}}
  - {{metric: latency.p99, max: 500ms}}
  - {{metric: latency.avg, max: 30ms}}
"""
_STATISTICS = {
    "latency.p50": 0.5,
    "latency.p75": 0.75,
    "latency.p95": 0.95,
    "service.p95": 0.95,
    "latency.p99": 0.99,
}


KINDS = ("bimodal", "tail", "constant")
"""Of servers; the first is in `make test`, all are in the campaign."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        whole = metafunc.config.getoption("--campaign")
        metafunc.parametrize("kind", KINDS if whole else KINDS[:1])


def test_what_a_held_back_generator_calls_a_miss_is_one_by_the_servers_own_log(
    kind: str, tmp_path: Path, campaign: Campaign
) -> None:
    """With a fifth of a core: no figure that the server's own log contradicts is told as a fact."""
    with serving(kind) as server, limited(0.2) as group:
        (tmp_path / "test.yaml").write_text(JUDGED.format(url=server.url, rate=4000))
        command = f"echo $$ > {group}; exec {sys.executable} -m perfrun.cli.main run test.yaml"
        subprocess.run(
            ["sh", "-c", f"{command} --json run.json"],
            cwd=tmp_path,
            capture_output=True,
            timeout=180,
            check=False,
        )
        log = server.log()
    status = json.loads((tmp_path / "run.json").read_text())["status"]
    assert status["generator"]["findings"], "the generator was not held back"
    times = service_times(log.read, log.answered)
    for slo in status["slos"]:
        q = _STATISTICS.get(slo["metric"])
        truth = quantile(times, q) if q is not None else float(times.mean())
        limit = parse_duration(slo["max"])
        verdict = slo["verdict"]
        campaign.add(
            "excuse", server=kind, metric=slo["metric"], limit=slo["max"],
            measured=slo["measured"], truth_ms=round(truth / MS, 1), verdict=verdict,
        )  # fmt: skip
        if verdict == "Warn":
            assert truth > limit, slo["message"]
        elif verdict == "Pass":
            assert truth <= limit, slo["message"]
