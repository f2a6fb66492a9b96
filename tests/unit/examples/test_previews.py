"""The examples for previews and canaries: their shell parses, and they ask for what there is."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from perfrun.cli.overrides import parse_overrides
from tests.unit.examples.commands import in_script, parsed
from tests.unit.examples.test_ci import documents, scripts
from tests.unit.logic.build import spec

PREVIEWS = Path(__file__).parents[3] / "examples" / "previews"
PIPELINES = [PREVIEWS / "github-actions.yaml", PREVIEWS / "gitlab-ci.yml"]


def hooks() -> dict[str, str]:
    data: dict[str, str] = documents(PREVIEWS / "flagger.yaml")[0]["data"]
    return data


def fits(parameters: dict[str, Any]) -> bool:
    """Whether a run of some open load can have these options of ``perfrun trigger``."""
    # A variable of the pipeline is a number where a URL has one.
    url = str(parameters["url"]).replace("$PR", "7").replace("$CI_MERGE_REQUEST_IID", "7")
    labels = [one.partition("=")[0] + "=x" for one in parameters["run_labels"]]
    changes = parse_overrides(url=url, settings=parameters["settings"], labels=labels)
    assert changes is not None
    return not changes.applied(spec()).problems


@pytest.mark.parametrize("file", PIPELINES, ids=lambda file: file.name)
def test_pipelines_ask_for_runs_that_there_can_be(file: Path):
    found = "\n".join(script for one in documents(file) for script in scripts(one))
    done = subprocess.run(["bash", "-n"], input=found, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    commands = [parsed(words) for words in in_script(found.replace("$(perfrun", "; perfrun"))]
    assert [name for name, _ in commands] == ["trigger", "watch", "report"]
    assert fits(commands[0][1])


def test_the_analysis_asks_for_a_run_that_there_can_be():
    (template,) = documents(PREVIEWS / "argo-rollouts.yaml")
    job = template["spec"]["metrics"][0]["provider"]["job"]["spec"]
    program, *words = job["template"]["spec"]["containers"][0]["command"]
    name, parameters = parsed([one.replace("{{args.url}}", "http://shop-canary") for one in words])
    assert (program, name, parameters["wait"]) == ("perfrun", "trigger", True)
    assert fits(parameters)
    asked = {one["name"] for one in template["spec"]["args"]}
    assert asked == {"test", "url", "hash"}
    assert all(f"{{{{args.{name}}}}}" in yaml.safe_dump(job) for name in asked)


def test_there_are_hooks():
    assert hooks().keys() == {"start.sh", "failed.sh", "verdict.sh"}


@pytest.mark.parametrize("script", hooks())
def test_hooks_parse_and_are_called(script: str):
    done = subprocess.run(["bash", "-n"], input=hooks()[script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    canary = documents(PREVIEWS / "flagger.yaml")[1]
    called = [one["metadata"]["cmd"] for one in canary["spec"]["analysis"]["webhooks"]]
    assert any(f"/perfrun/{script} " in cmd for cmd in called)
