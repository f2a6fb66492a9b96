"""The operator is killed in the middle of a run, and again while it collects: nothing is lost."""

import pytest

from tests.e2e.processes import kill, kill_operator, restarts
from tests.e2e.shop import Shop, attempts, until

# Answers take four seconds, so that reports come some time after the load's end.
SLOW = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: survivor}
spec:
  target: {http: {url: "http://shop:8000/slow"}}
  load: {workers: 2, open: {rate: 20/s, duration: 12s}}
  slos:
  - {metric: successRate, min: 100%}
"""


@pytest.mark.disturbs
def test_a_run_whose_operator_is_killed_twice_completes_with_every_sample(shop: Shop) -> None:
    before = restarts(shop.cluster)
    shop.apply(SLOW)
    run = shop.first_run("survivor")
    until("the load runs", lambda: shop.phase(run) == "Running")
    first = kill_operator(shop.cluster)
    until("the kubelet has restarted the operator", lambda: restarts(shop.cluster) > before)

    until("the run is collecting", lambda: shop.phase(run) == "Collecting", timeout=60)
    second = kill_operator(shop.cluster)
    status = shop.done(run)["status"]

    assert first != second
    assert status["verdict"] == "Pass", status["message"]
    assert status["workers"] == {"planned": 2, "ready": 2, "reported": 2}
    assert status["summary"]["iterations"] == {"planned": 240, "started": 240, "dropped": 0}
    assert status["summary"]["requests"]["succeeded"] == 240
    assert shop.served_in_the_end("survivor", 240) == 240
    assert attempts({"status": status}) == 240
    assert not [f for f in status["generator"].get("findings", []) if f["type"] == "Coverage"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_lost_worker_is_told_of_and_never_a_pass(shop: Shop, workers: int) -> None:
    name = f"lossy-{workers}"
    shop.apply(
        SLOW.replace("survivor", name)
        .replace("workers: 2", f"workers: {workers}")
        .replace("/slow", "/api/v1/health")
    )
    run = shop.first_run(name)
    until("the load runs", lambda: shop.phase(run) == "Running")
    kill(shop.cluster, shop.namespace, f"perfrun.dev/run={run}", b"perfrun.worker")
    status = shop.done(run)["status"]

    # Nobody left to report is an Error; half of the load missing is a doubt.
    assert status["verdict"] == ("Error" if workers == 1 else "Inconclusive"), status["message"]
    assert status["workers"]["reported"] == workers - 1
