"""Each example passes on the real cluster, and its counts are what the server counted."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.handle import Cluster
from tests.e2e.conftest import open_shop
from tests.e2e.shop import ROOT, Shop, attempts, until

pytestmark = pytest.mark.timing

MAX_S = 240
"""The longest example takes a minute and more, and its last metrics come late."""
BY_THEMSELVES = {"browser"}
"""Those whose workers need an image of their own: test_pages."""
LONG = "observe"
"""Takes longest and mostly waits: beside the others, in a shop of its own, and looked at last."""
EXAMPLES = sorted(
    (path for path in (ROOT / "examples").glob("*.yaml") if path.stem not in BY_THEMSELVES),
    key=lambda path: (path.stem == LONG, path.stem),
)


@pytest.fixture(scope="module")
def beside(perfrun: Cluster) -> Iterator[Shop]:
    """Where the longest example has begun."""
    with open_shop(perfrun, f"e2e-{LONG}") as shop:
        shop.kubectl("apply", "-f", ROOT / f"examples/{LONG}.yaml")
        yield shop


def test_there_are_examples_to_run() -> None:
    assert len(EXAMPLES) >= 8
    assert EXAMPLES[-1].stem == LONG


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_passes_and_the_server_counted_the_same(
    beside: Shop, shop: Shop, path: Path
) -> None:
    if path.stem == LONG:
        shop = beside
    manifests = list(yaml.safe_load_all(path.read_text()))
    test = next(m for m in manifests if m["kind"] == "PerfTest")
    name = test["metadata"]["name"]

    shop.kubectl("apply", "-f", path)
    if "schedule" in test["spec"]:  # not to wait for its minute; test_schedule does
        shop.kubectl("annotate", "ptest", name, "perfrun.dev/run-requested-at=now")
    run_name = shop.first_run(name)
    if "schedule" in test["spec"]:
        shop.kubectl("patch", "ptest", name, "--type=merge", "-p", '{"spec":{"suspend":true}}')
    run = shop.done(run_name, MAX_S)
    status = run["status"]
    assert status["verdict"] == "Pass", status["message"]

    # A minute may have begun between the two commands.
    every = [shop.done(one["metadata"]["name"]) for one in shop.runs(name)]
    sent = sum(attempts(one) for one in every)
    assert sent == shop.served_in_the_end(name, sent)
    assert status["workers"]["reported"] == status["workers"]["planned"]
    assert all(slo["message"] for slo in status["slos"])
    iterations, requests = status["summary"]["iterations"], status["summary"]["requests"]
    assert iterations["planned"] == iterations["started"] + iterations["dropped"]
    assert requests["sent"] == sum(requests[k] for k in ("succeeded", "failed", "censored"))


def applied(shop: Shop, name: str) -> str:
    """Apply an example, if that was not done yet, and give its first run once it is done."""
    shop.kubectl("apply", "-f", ROOT / f"examples/{name}.yaml")
    run = shop.first_run(name)
    shop.done(run)
    return run


def test_the_columns_of_kubectl_get_say_what_matters(shop: Shop) -> None:
    applied(shop, "response-time")
    until(
        "its status has caught up",
        lambda: "lastRun" in shop.get("perftests", "response-time")["status"],
    )
    tests, runs = shop.kubectl("get", "ptest"), shop.kubectl("get", "prun")

    assert re.search(r"response-time +\S* *false +Pass +3/3 +response-time-c", tests), tests
    assert re.search(r"response-time +Change +Done +Pass +\S+ms +\S+/s +0%", runs), runs


def test_applying_the_same_manifest_again_runs_nothing(shop: Shop) -> None:
    applied(shop, "health-burst")
    before = len(shop.runs("health-burst"))
    shop.kubectl("apply", "-f", ROOT / "examples/health-burst.yaml")
    shop.kubectl("annotate", "ptest", "health-burst", "--overwrite", "unrelated=yes")
    # The operator has looked at it once it has noted a generation or a request made after it.
    shop.kubectl(
        "annotate", "ptest", "health-burst", "--overwrite", "perfrun.dev/run-requested-at=once"
    )
    shop.kubectl(
        "wait", "--for=jsonpath={.status.lastRequest}=once", "ptest/health-burst", "--timeout=20s"
    )

    reasons = [run["spec"]["reason"] for run in shop.runs("health-burst")]
    assert len(reasons) == before + 1
    assert reasons[-1] == "Requested"


def test_the_bearer_token_reaches_the_server_and_nothing_else(shop: Shop) -> None:
    applied(shop, "auth-headers")
    log = shop.kubectl("logs", "deploy/shop", "--tail=-1")
    mine = [line for line in log.splitlines() if line.endswith('/auth-headers"')]
    assert mine
    assert all('"Bearer replace-me"' in line for line in mine)

    kinds = "ptest,prun,configmaps,events,jobs,controllerrevisions"
    assert "replace-me" not in shop.kubectl("get", kinds, "-o", "yaml")
