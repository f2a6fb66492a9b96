"""A document that costs too much to check does not hang the command."""

import threading
import time

import pytest

from perfrun.local.files import budget
from perfrun.local.files.budget import OverBudgetError, cpu_budget
from perfrun.local.files.manifests import parse_manifests

MANIFEST = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: shop}
spec:
  target: {http: {url: "http://shop"}}
  load: {burst: {requests: 1, concurrency: 1}}
"""


def spin(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_block_that_takes_too_long_is_ended_and_the_next_one_is_not() -> None:
    with pytest.raises(OverBudgetError, match="more than 10 s of CPU"), cpu_budget(0.05):
        spin(5)
    with cpu_budget(5):
        spin(0.01)
    spin(0.1)


def test_other_threads_have_no_bound() -> None:
    done = []

    def work() -> None:
        with cpu_budget(0.01):
            spin(0.05)
        done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


def test_document_that_takes_too_long_is_a_problem_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfrun.local.files.manifests.check", lambda _: spin(5))
    monkeypatch.setattr("perfrun.local.files.manifests.cpu_budget", lambda: cpu_budget(0.02))
    (manifest,) = parse_manifests("x.yaml", MANIFEST.encode())
    assert [one.text for one in manifest.problems] == [f"spec: {budget.OverBudgetError()}"]


def test_what_no_cluster_would_look_at_is_refused() -> None:
    more = "  variables: {" + ", ".join(f"v{n}: {'x' * 4000}" for n in range(70)) + "}"
    (manifest,) = parse_manifests("x.yaml", (MANIFEST + more).encode())
    (told,) = manifest.problems
    assert "at most 256 KiB are allowed" in told.message
