"""Benchmark suites in images of their own: the example, a slower one, and all that can go wrong."""

import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.cluster import images
from tests.e2e.shop import ROOT, Json, Shop, until

pytestmark = pytest.mark.timing

EXAMPLE = ROOT / "examples" / "benchmark"
DOCUMENT = yaml.safe_load((EXAMPLE / "benchmark.yaml").read_text())
IMAGE = DOCUMENT["spec"]["target"]["benchmark"]["image"]
ALLOWED = "/spec/allowedImages"


@pytest.fixture(scope="module")
def refusing(shop: Shop) -> Iterator[Shop]:
    """The shop, with the example's image on the node; what was allowed meanwhile is not after."""
    shop.cluster.build_image(IMAGE, EXAMPLE)
    yield shop
    undo = json.dumps([{"op": "add", "path": ALLOWED, "value": []}])
    shop.cluster.kubectl("patch", "perfpolicy", "perfrun-default", "--type=json", "-p", undo)


@pytest.fixture
def suite(refusing: Shop) -> Shop:
    """The shop, where every image may run."""
    _allow(refusing, "*")
    return refusing


def test_no_image_may_run_before_the_command_of_the_refusal_has_allowed_it(refusing: Shop) -> None:
    refusing.apply(manifest("refused", ["true"]))
    told = until("it is refused", lambda: _refusal(refusing, "refused"))
    assert f"{IMAGE} is not allowed by PerfPolicy perfrun-default" in told
    kubectl, *command = shlex.split(told.partition("to allow it: ")[2])
    assert kubectl == "kubectl"
    refusing.cluster.kubectl(*command)
    until("it is allowed", lambda: not _refusal(refusing, "refused"))
    refusing.kubectl("delete", "ptest", "refused")


def test_the_example_passes(suite: Shop) -> None:
    suite.kubectl("apply", "-n", suite.namespace, "-f", "-", input=_example("order-book"))
    suite.kubectl("annotate", "ptest", "order-book", "perfrun.dev/run-requested-at=now")
    run = suite.done(suite.first_run("order-book"))
    status = run["status"]
    assert status["verdict"] == "Pass", status["message"]
    names = [one["name"] for one in status["benchmark"]["results"]]
    assert names == ["test_sort", "test_totals[100]", "test_totals[5000]"]
    assert re.fullmatch(r"[2-9]\d(\.\d)?Mi", status["benchmark"]["memoryPeak"])
    assert [slo["verdict"] for slo in status["slos"]] == ["Pass"] * 3


def test_a_planted_slowdown_is_a_warning(suite: Shop) -> None:
    slower = _example("order-book-slower", env=[{"name": "SLOWER_BY_MS", "value": "25"}])
    suite.kubectl("apply", "-f", "-", input=slower)
    suite.kubectl("annotate", "ptest", "order-book-slower", "perfrun.dev/run-requested-at=now")
    status = suite.done(suite.first_run("order-book-slower"))["status"]
    assert status["verdict"] == "Warn", status["message"]
    assert re.search(r"mean of test_sort was 2\d(\.\d+)?ms, at most 20ms", status["message"])


def test_the_command_has_nothing_of_the_workers_and_no_rights(suite: Shop) -> None:
    seen = (
        "ls /var/run/secrets /etc/perfrun /var/run/perfrun 2>/dev/null; "
        "touch /suite/x 2>/dev/null && echo written; env | grep ^PERFRUN_; touch ~/x && "
        "grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' /proc/self/status | tr -s '\\t\\n' ' '; exit 3"
    )
    said = _message(_run(suite, "curious", ["sh", "-c", seen]))
    rights = "Uid: 65532 65532 65532 65532 CapEff: 0000000000000000 NoNewPrivs: 1 Seccomp: 2"
    assert said == f"exit code 3: PERFRUN_RESULTS=/perfrun/results.json | {rights}"


def test_an_image_that_has_nothing_but_a_program_will_do(suite: Shop) -> None:
    empty = images.pause_reference()
    status = _run(suite, "missing", ["/no/such"], image=empty)
    assert (status["verdict"], status["summary"]["errors"]) == ("Inconclusive", {"Exit": 1})
    assert _message(status) == "it could not be started: /no/such: No such file or directory"
    status = _run(suite, "endless", ["/pause"], image=empty, timeout="2s")
    assert status["summary"]["errors"] == {"Timeout": 1}
    assert _message(status).startswith("it was still running after 2s (timeout)")


def test_rubbish_and_a_command_out_of_memory_are_told(suite: Shop) -> None:
    status = _run(suite, "rubbish", ["sh", "-c", "echo rubbish > $(results)"])
    assert status["summary"]["errors"] == {"Results": 1}
    assert "the results are not JSON" in status["slos"][0]["message"]

    code = "held = b'x' * (400 * 1024 * 1024)"
    small = {"resources": {"limits": {"memory": "64Mi"}, "requests": {"memory": "64Mi"}}}
    status = _run(suite, "large", ["python3", "-c", code], podTemplate=small)
    assert (status["verdict"], status["summary"]["errors"]) == ("Inconclusive", {"Killed": 1})
    assert "podTemplate.resources.limits.memory" in _message(status)


def test_a_stop_ends_the_command(suite: Shop) -> None:
    suite.apply(manifest("stopped", ["sh", "-c", "echo working; sleep 600"]))
    name = suite.first_run("stopped")
    until("it runs", lambda: suite.phase(name) == "Running")
    suite.kubectl("patch", "prun", name, "--type=merge", "-p", '{"spec":{"stop":true}}')
    status = suite.done(name, 60)["status"]
    assert status["verdict"] == "Inconclusive"
    assert _message(status) == "it was stopped; its last output: working"


def manifest(
    name: str, command: list[str], image: str = IMAGE, timeout: str = "5m", **more: Json
) -> str:
    target = {"image": image, "command": command, "results": "PytestBenchmark", "timeout": timeout}
    slos = [{"metric": "mean", "of": "test_sort", "max": "1s"}]
    document = {
        **DOCUMENT,
        "metadata": {"name": name},
        "spec": {"target": {"benchmark": target}, "slos": slos, **more},
    }
    return yaml.safe_dump(document)


def _example(name: str, **target: list[Json]) -> str:
    """The example, in the namespace of the test."""
    document = yaml.safe_load((EXAMPLE / "benchmark.yaml").read_text())
    document["metadata"] = {"name": name}
    document["spec"]["target"]["benchmark"] |= target
    return yaml.safe_dump(document)


def _allow(suite: Shop, *patterns: str) -> None:
    allow = json.dumps([{"op": "add", "path": ALLOWED, "value": list(patterns)}])
    suite.cluster.kubectl("patch", "perfpolicy", "perfrun-default", "--type=json", "-p", allow)


def _refusal(suite: Shop, test: str) -> str | None:
    conditions = suite.get("perftests", test).get("status", {}).get("conditions", [])
    return next((one["message"] for one in conditions if one["reason"] == "RefusedByPolicy"), None)


def _run(suite: Shop, name: str, command: list[str], **more: Any) -> Json:
    """The status of a run of a command."""
    suite.apply(manifest(name, command, **more))
    status: Json = suite.done(suite.first_run(name))["status"]
    return status


def _message(status: Json) -> str:
    return str(status["benchmark"]["message"])
