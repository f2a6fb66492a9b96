"""Two workers' merged percentiles are those of all raw samples, taken in the pods themselves."""

import base64
import subprocess

import numpy as np
import pytest

from perfrun.api.quantities import parse_duration
from perfrun.api.test.metric import QUANTILES
from perfrun.measure.record import Outcome, Timing, total
from perfrun.measure.result import RunResult
from tests.e2e.shop import HERE, IMAGE, Json, Shop, until
from tests.e2e.worker_image import worker_image

pytestmark = pytest.mark.disturbs

RAW_IMAGE = "localhost/perfrun-raw:e2e"
# Three significant digits, and no finer than a microsecond.
PRECISION, MICROSECOND = 1e-3, 1000

TWO_WORKERS = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: merged}
spec:
  target: {http: {url: "http://shop:8000/api/v1/health"}}
  load: {workers: 2, open: {rate: 500/s, duration: 6s}}
"""


def pods(shop: Shop, run: str) -> list[str]:
    """The pods of a run, as pod/NAME."""
    return shop.kubectl("get", "pods", "-l", f"perfrun.dev/run={run}", "-o", "name").split()


def followed(shop: Shop, run: str) -> list[subprocess.Popen[str]]:
    """kubectl logs -f of each worker's pod."""
    until("two pods", lambda: len(pods(shop, run)) == 2)
    names = pods(shop, run)
    shop.kubectl("wait", "--for=condition=Ready", *names, "--timeout=60s")
    command = ["kubectl", "-n", shop.namespace, "logs", "-f"]
    return [
        subprocess.Popen(
            [*command, name], stdout=subprocess.PIPE, text=True, env=shop.cluster.env()
        )
        for name in names
    ]


def result_of(shop: Shop, run: Json) -> RunResult:
    """The full result of a run, put together from its ConfigMaps."""
    packed = b""
    for name in run["status"]["result"]["configMaps"]:
        packed += base64.b64decode(shop.get("configmaps", name)["binaryData"]["result.json.gz"])
    return RunResult.unpack(packed)


def test_percentiles_of_two_workers_are_those_of_all_their_samples(shop: Shop) -> None:
    shop.cluster.build_image(RAW_IMAGE, HERE / "raw", build_args={"PERFRUN": IMAGE})
    with worker_image(shop, RAW_IMAGE):
        shop.apply(TWO_WORKERS)
        name = shop.first_run("merged")
        logs = [log.communicate(timeout=90)[0] for log in followed(shop, name)]
        run = shop.done(name)

    lines = [line.split() for log in logs for line in log.splitlines() if line.startswith("RAW")]
    truth = np.sort([int(word) for line in lines for word in line[1:]])
    assert len(truth) == run["status"]["summary"]["requests"]["succeeded"] == 3000

    merged = result_of(shop, run).report
    assert merged is not None
    whole = total(merged.window.steps).histogram(Timing.LATENCY, Outcome.SUCCESS)
    assert (whole.count, whole.total) == (len(truth), truth.sum())
    shown = run["status"]["summary"]["latency"]
    for statistic, quantile in QUANTILES.items():
        exact = truth[int(np.ceil(quantile * len(truth))) - 1]
        assert whole.quantile(quantile) == pytest.approx(exact, rel=PRECISION, abs=MICROSECOND)
        if statistic in shown:  # shown with three digits
            assert parse_duration(shown[statistic]) == pytest.approx(
                exact, rel=6 * PRECISION, abs=MICROSECOND
            )
