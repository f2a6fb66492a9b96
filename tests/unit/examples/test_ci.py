"""The examples for CI systems: valid, their shell parses, and their commands exist."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.examples.commands import in_script, parsed

REPO = Path(__file__).parents[3]
CI = REPO / "examples" / "ci"
FILES = sorted(CI.iterdir())


def documents(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text()))


def scripts(node: object, key: str = "") -> Iterator[str]:
    """The shell scripts of a document; GitLab has a list of lines."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from scripts(value, name)
    elif isinstance(node, list):
        if key in ("script", "after_script", "before_script"):
            yield "\n".join(node)
        else:
            for item in node:
                yield from scripts(item)
    elif isinstance(node, str) and key in ("run", "script"):
        yield node


def commands() -> list[list[str]]:
    found = [
        words
        for file in FILES
        for document in documents(file)
        for script in scripts(document)
        for words in in_script(script)
    ]
    assert len(found) >= 4
    return found


def test_there_is_one_for_each_system():
    assert [file.name for file in FILES] == ["github-actions.yaml", "gitlab-ci.yml", "tekton.yaml"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_shell_scripts_parse(file: Path):
    found = [script for document in documents(file) for script in scripts(document)]
    assert found
    for script in found:
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_commands_exist_with_all_their_options(words: list[str]):
    name, parameters = parsed(words)
    assert name in ("run", "compare", "report")
    for file in parameters.get("files") or ():
        assert file == "$@" or (REPO / file).is_file()


def test_manifests_that_a_parameter_names_are_there():
    pipeline = documents(CI / "tekton.yaml")[1]
    (load,) = [task for task in pipeline["spec"]["tasks"] if task["name"] == "load"]
    (manifests,) = [one["value"] for one in load["params"] if one["name"] == "manifests"]
    assert manifests
    assert all((REPO / file).is_file() for file in manifests)


def test_nothing_blocks_unless_it_is_asked_to():
    github = documents(CI / "github-actions.yaml")[0]
    (load,) = [step for step in github["jobs"]["load"]["steps"] if step.get("id") == "load"]
    assert load["continue-on-error"] is True
    assert documents(CI / "gitlab-ci.yml")[0]["performance"]["allow_failure"] is True
    assert documents(CI / "tekton.yaml")[0]["spec"]["steps"][0]["onError"] == "continue"
    for words in commands():
        assert "--strict" not in words


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["run", "x.yaml", "--no-such-option"], "No such option"),
        (["no-such-command"], "No such command"),
        (["run"], "Missing parameter"),
    ],
)
def test_a_command_that_does_not_exist_is_noticed(words: list[str], reason: str):
    with pytest.raises(Exception, match=reason):
        parsed(words)


def test_commands_are_found_wherever_a_shell_runs_them():
    script = 'x || perfrun a b || true\nif perfrun c "d e"; then perfrun f \\\n  g > h; fi\necho perfrun i'
    assert list(in_script(script)) == [["a", "b"], ["c", "d e"], ["f", "g"]]
