"""The last: uninstalling ends what runs, and keeps the custom resources and the history."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cluster.handle import Cluster
from tests.e2e.conftest import TAINT, install, untaint
from tests.e2e.shop import ROOT, SYSTEM, Shop, until
from tests.e2e.test_cleanup import running

pytestmark = pytest.mark.alone


def test_helm_test_passes(perfrun: Cluster) -> None:
    done = perfrun.helm("test", "perfrun", "-n", SYSTEM, "--logs", "--timeout=120s")
    assert "Succeeded" in done.stdout


@contextmanager
def tainted(cluster: Cluster) -> Iterator[None]:
    """A taint on all nodes, which perfrun's pods tolerate: the hook of the uninstallation, too."""
    tolerations = json.dumps([{"key": TAINT, "operator": "Exists"}])
    chart = (ROOT / "charts/perfrun", "-n", SYSTEM, "--reuse-values")
    cluster.helm("upgrade", "perfrun", *chart, f"--set-json=tolerations={tolerations}")
    try:
        cluster.kubectl("taint", "nodes", "--all", f"{TAINT}=:NoSchedule")
        yield
    finally:
        untaint(cluster)


def test_uninstall_stops_running_jobs_and_keeps_crds_and_history(shop: Shop) -> None:
    run = running(shop, "interrupted")
    with tainted(shop.cluster):
        shop.cluster.helm("uninstall", "perfrun", "-n", SYSTEM, "--wait", "--timeout=90s")
    try:
        until(
            "the Job and its pods are gone",
            lambda: not shop.items("jobs", "pods", labels=f"perfrun.dev/run={run}"),
        )
        status = shop.run(run)["status"]
        assert status["phase"] == "Done"
        assert status["verdict"] == "Inconclusive"
        assert "uninstalled" in status["message"]
        assert shop.kubectl("get", "ptest", "-o", "name").strip().endswith("/interrupted")
    finally:
        install(shop.cluster)
    # The new operator finds the history and runs nothing on its own account.
    shop.kubectl("annotate", "ptest", "interrupted", "perfrun.dev/run-requested-at=1")
    until("a run that was asked for", lambda: len(shop.runs("interrupted")) == 2)
    shop.kubectl("delete", "ptest", "interrupted")
