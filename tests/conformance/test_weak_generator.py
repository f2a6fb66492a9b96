"""A generator that is too weak must say so, and never pass what it did not measure."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from perfrun.api.quantities import parse_duration
from tests.conformance.quota import limited
from tests.conformance.server import serving
from tests.conformance.truth import quantile, service_times

TEST = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {{name: beyond-its-quota}}
spec:
  target: {{http: {{url: {url}}}}}
  load: {{open: {{rate: 20000/s, duration: 4s}}}}
  slos:
  - {{metric: throughput, min: 10/s}}
  - {{metric: latency.p95, max: 1ms}}
"""


@pytest.fixture(scope="module")
def status(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The status of a run of 20000/s with a fifth of a core."""
    folder: Path = tmp_path_factory.mktemp("quota")
    with serving("stall") as server, limited(0.2) as group:
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


@pytest.mark.parametrize(("share", "rate"), [(0.2, 4000)])
def test_what_a_held_back_generator_calls_a_miss_is_one_by_the_servers_own_log(
    share: float, rate: int, tmp_path: Path
) -> None:
    """Seven of eight answers take 40 ms, one 200 ms: so p50 and p95 are over their limits."""
    with serving("bimodal") as server, limited(share) as group:
        (tmp_path / "test.yaml").write_text(JUDGED.format(url=server.url, rate=rate))
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
    true = service_times(log.read, log.answered)
    verdicts = {slo["metric"]: slo["verdict"] for slo in status["slos"]}
    assert verdicts["service.p95"] == "Warn", "a proven miss is not excused"
    for slo in status["slos"]:
        q = _STATISTICS.get(slo["metric"])
        truth = quantile(true, q) if q is not None else float(true.mean())
        limit = parse_duration(slo["max"])
        if slo["verdict"] == "Warn":
            assert truth > limit, slo["message"]
        elif slo["verdict"] == "Pass":
            assert truth <= limit, slo["message"]
