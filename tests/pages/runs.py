"""Runs of ``perfrun run``, as a report is made of."""

import subprocess
import sys
from pathlib import Path

from perfrun.api.run.perfrun import PerfRun
from perfrun.logic.comparison.model import Reported
from perfrun.measure.result import RunResult

SHOP = """\
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {{name: shop-api, namespace: shop}}
spec:
  target: {{http: {{url: {url}, timeout: 1s, traceparent: true}}}}
  scenarios:
  - name: browse
    weight: 4
    steps:
    - {{name: list, http: {{path: /list}}}}
    - {{name: detail, http: {{path: /detail}}}}
  - {{name: buy, steps: [{{name: order, http: {{method: POST, path: /orders}}}}]}}
  load: {load}
  slos:
  - {{metric: latency.p95, max: 150ms}}
  - {{metric: latency.p99, of: order, max: 800ms}}
  - {{metric: errorRate, max: 1%, onBreach: Fail}}
  - {{metric: throughput, min: 50/s}}
"""
PATIENCE_S = 120


def run(folder: Path, url: str, load: str) -> Reported:
    """Put ``load`` on ``url`` and wait for what comes of it."""
    (folder / "test.yaml").write_text(SHOP.format(url=url, load=load))
    command = [sys.executable, "-m", "perfrun.cli.main", "run", "test.yaml"]
    told = subprocess.run(
        [*command, "--json", "run.json", "--result", "result.json"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (folder / "result.json").exists(), told.stdout + told.stderr
    return Reported(
        PerfRun.model_validate_json((folder / "run.json").read_text()),
        RunResult.model_validate_json((folder / "result.json").read_text()),
    )
