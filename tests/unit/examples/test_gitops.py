"""What GitOps tools make of perfrun's objects; the Lua of Argo CD is run in the integration tests."""

from pathlib import Path
from typing import Any

import cel
import pytest
import yaml

from perfrun.api.run.perfrun import PerfRun
from perfrun.api.test.perftest import PerfTestStatus
from tests.unit.examples.commands import parsed
from tests.unit.examples.states import PERFRUNS, PERFTESTS, Case

GITOPS = Path(__file__).parents[3] / "examples" / "gitops"
CASES = [*PERFTESTS, *PERFRUNS]


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((GITOPS / name).read_text()))


def by_flux(expressions: dict[str, str], body: dict[str, Any]) -> str:
    """As the kustomize controller goes through them; an expression that fails is asked again."""
    names = {"inProgress": "Progressing", "failed": "Degraded", "current": "Healthy"}
    for name, health in names.items():
        if cel.evaluate(expressions[name], body):
            return health
    return "Progressing"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.body['kind']} {case.name}")
def test_flux_blocks_on_what_gates_and_on_nothing_else(case: Case):
    (kustomization,) = documents("flux.yaml")
    (expressions,) = [
        one for one in kustomization["spec"]["healthCheckExprs"] if one["kind"] == case.body["kind"]
    ]
    assert by_flux(expressions, case.body) == case.health


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.body['kind']} {case.name}")
def test_the_states_are_such_as_the_operator_writes(case: Case):
    model = (
        PerfTestStatus if case.body["kind"] == "PerfTest" else type(PerfRun.parse(case.body).status)
    )
    known = {field.alias for field in model.model_fields.values()}
    assert set(case.body["status"]) <= known


def test_jobs_ask_for_runs_with_options_that_exist():
    (job,) = [one for one in documents("argocd-postsync-job.yaml") if one["kind"] == "Job"]
    analysis = documents("argo-rollouts.yaml")[0]["spec"]["metrics"][0]["provider"]["job"]
    for pod in (job["spec"]["template"]["spec"], analysis["spec"]["template"]["spec"]):
        program, *words = pod["containers"][0]["command"]
        assert program == "perfrun"
        name, parameters = parsed(words)
        assert (name, parameters["wait"], parameters["strict"]) == ("trigger", True, False)


def test_hooks_are_hooks():
    (run,) = documents("argocd-postsync-perfrun.yaml")
    PerfRun.parse({**run, "metadata": {"name": "x"}})
    # What Argo CD appends: seven characters of the revision, the phase and a time.
    name = run["metadata"]["generateName"] + "abc1234-postsync-1700000000"
    assert len(name) <= 63
    assert run["metadata"]["annotations"] == {"argocd.argoproj.io/hook": "PostSync"}
