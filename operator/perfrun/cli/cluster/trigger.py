"""``perfrun trigger``: request a run of a test in a cluster, and optionally wait for it."""

from datetime import UTC, datetime

from pydantic import ValidationError
from rich.console import Console

from perfrun.api import Json
from perfrun.api.test.perftest import REQUEST_ANNOTATION, PerfTestSpec
from perfrun.cli.cluster.following import NotThereError, follow
from perfrun.cli.cluster.shell import Cluster
from perfrun.cli.cluster.views import TestView
from perfrun.cli.overrides import RunChanges
from perfrun.cli.terminal.exits import Exit, FailOn
from perfrun.cli.terminal.streams import print_line
from perfrun.kube.resources import PERF_RUNS, PERF_TESTS
from perfrun.logic.accept.overrides import sent_elsewhere
from perfrun.logic.plan.names import requested_run_name

ANSWER_S = 30.0
"""How long the operator may take to create the requested run."""


def trigger(
    cluster: Cluster,
    test: str,
    out: Console,
    *,
    wait: bool,
    fail_on: FailOn,
    changes: RunChanges | None = None,
) -> Exit:
    """Request one run of ``test``. Raises KubeError."""
    found = cluster.find(PERF_TESTS, test)
    if found is None:
        print_line(out, f"there is no PerfTest {test} in namespace {cluster.namespace}")
        return Exit.USAGE
    asked = datetime.now(UTC).isoformat()
    run = requested_run_name(test, asked)
    if changes is None:
        body = {"metadata": {"annotations": {REQUEST_ANNOTATION: asked}}}
        cluster.wait(cluster.kube.patch(PERF_TESTS, cluster.namespace, test, body))
    else:
        problems = _unfit(found, changes, cluster.namespace)
        for problem in problems:
            print_line(out, problem)
        if problems:
            return Exit.USAGE
        overrides = changes.overrides.model_dump(mode="json", exclude_unset=True)
        spec = {"testRef": {"name": test}, "overrides": overrides}
        wanted: Json = {"metadata": {"name": run}, "spec": spec}
        cluster.wait(cluster.kube.create(PERF_RUNS, cluster.namespace, wanted))
    told = f"PerfRun {run} was requested in namespace {cluster.namespace}"
    if not wait:
        # Whether an operator is running is not known here: a user's rights end at the namespace.
        print_line(out, f"{told}; the operator will create it: perfrun watch run/{run}")
        return Exit.OK
    print_line(out, told)
    try:
        return follow(cluster, run, out, fail_on=fail_on, patience=ANSWER_S)
    except NotThereError:
        missing = "no run was created" if changes is None else "no operator accepted the run"
        print_line(out, f"{missing} within {ANSWER_S:.0f}s; {_why(cluster, test)}")
        return Exit.ERROR


def _unfit(test: Json, changes: RunChanges, namespace: str) -> list[str]:
    """Why the test cannot be run with these overrides, as far as that is seen from here: a policy
    is for the operator to ask."""
    try:
        spec = PerfTestSpec.parse(test["spec"])
    except ValidationError:
        return []  # what is wrong with a test stands on it
    after, problems = changes.applied(spec)
    problems = problems or list(sent_elsewhere(spec, after, namespace))
    return [changes.as_option(problem) for problem in problems]


def _why(cluster: Cluster, test: str) -> str:
    problem = TestView.of(cluster.find(PERF_TESTS, test) or {}).problem
    if problem:
        return f"the test is not ready: {problem}"
    return "is the operator running? kubectl get deployments -A -l app.kubernetes.io/name=perfrun"
