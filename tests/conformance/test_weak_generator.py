"""A generator that is too weak must say so, and never pass what it did not measure."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.quota import limited
from tests.conformance.server import serving

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
