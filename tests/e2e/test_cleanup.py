"""What is deleted leaves nothing behind: while it runs, and while the operator is away too."""

import pytest

from tests.e2e.conftest import install
from tests.e2e.processes import SELECTOR
from tests.e2e.shop import SYSTEM, Shop, until

LONG = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: NAME}
spec:
  target: {http: {url: "http://shop:8000/api/v1/health"}}
  load: {workers: 2, open: {rate: 50/s, duration: 10m}}
"""


def running(shop: Shop, name: str) -> str:
    """Start a long load and give the name of its run once it runs."""
    shop.apply(LONG.replace("NAME", name))
    run = shop.first_run(name)
    until(f"{run} is running", lambda: shop.phase(run) == "Running")
    return run


def test_deleting_a_finished_test_leaves_nothing(shop: Shop) -> None:
    shop.apply(LONG.replace("NAME", "short").replace("10m", "2s"))
    run = shop.first_run("short")
    assert shop.done(run)["status"]["verdict"] == "Pass"
    assert shop.leftovers()

    shop.kubectl("delete", "ptest", "short")
    until("nothing is left", lambda: not shop.leftovers())


def test_deleting_a_test_while_it_runs_leaves_nothing_and_ends_its_load(shop: Shop) -> None:
    running(shop, "under-way")
    shop.kubectl("delete", "ptest", "under-way")

    until("nothing is left", lambda: not shop.leftovers())
    # No pod of it is left, so that nobody is there to send anything.
    assert shop.kubectl("get", "pods", "-l", "perfrun.dev/test=under-way", "-o", "name") == ""


def test_stopping_a_run_ends_it_with_what_was_measured(shop: Shop) -> None:
    run = running(shop, "stopped")
    shop.kubectl("patch", "prun", run, "--type=merge", "-p", '{"spec":{"stop":true}}')
    status = shop.done(run)["status"]

    assert status["verdict"] == "Inconclusive"
    assert "spec.stop" in status["message"]
    assert status["workers"]["reported"] == 2
    assert status["summary"]["requests"]["succeeded"] > 0
    shop.kubectl("delete", "ptest", "stopped")


@pytest.mark.disturbs
def test_deleting_the_namespace_while_the_operator_is_down_does_not_hang(shop: Shop) -> None:
    running(shop, "orphan")
    scale = ("-n", SYSTEM, "scale", "deploy/perfrun")
    try:
        shop.cluster.kubectl(*scale, "--replicas=0")
        until(
            "the operator is gone",
            lambda: (
                not shop.cluster.kubectl(
                    "-n",
                    SYSTEM,
                    "get",
                    "pods",
                    "-l",
                    SELECTOR,
                    "-o",
                    "name",
                ).stdout
            ),
        )
        shop.cluster.kubectl("delete", "namespace", shop.namespace, "--timeout=90s")
    finally:
        shop.cluster.kubectl(*scale, "--replicas=1")
        install(shop.cluster)
