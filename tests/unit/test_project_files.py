"""What stands around the code: workflows, forms, fragments, and what documents say of them."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.paths import REPO

PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text())
KINDS = set(PROJECT["tool"]["towncrier"]["fragment"])
FRAGMENTS = sorted((REPO / "changelog.d").glob("*.md"))
WORKFLOWS = sorted((REPO / ".github/workflows").iterdir())
FORMS = [*sorted((REPO / ".github/ISSUE_TEMPLATE").iterdir()), REPO / ".github/dependabot.yml"]
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (REPO / "Makefile").read_text(), re.MULTILINE))
PAGES = [REPO / "README.md", REPO / "CONTRIBUTING.md", *sorted((REPO / "docs").rglob("*.md"))]


def _named(path: Path) -> str:
    return path.name


def _asked(workflow: Path) -> set[str]:
    """The make targets of a workflow, those of a matrix too."""
    jobs = yaml.safe_load(workflow.read_text())["jobs"]
    found: set[str] = set()
    for job in jobs.values():
        matrix: dict[str, Any] = job.get("strategy", {}).get("matrix", {})
        for step in job["steps"]:
            words = re.findall(r"^make (\S+|\$\{\{.*?\}\})$", step.get("run", ""), re.MULTILINE)
            for word in words:
                variable = re.fullmatch(r"\$\{\{ matrix\.(\w+) \}\}", word)
                found.update(matrix[variable[1]] if variable else [word])
    return found


@pytest.mark.parametrize("path", WORKFLOWS, ids=_named)
def test_workflow_runs_make_targets_that_there_are(path: Path) -> None:
    assert _asked(path)
    assert _asked(path) <= TARGETS


def test_workflows_run_every_stage_of_make_test() -> None:
    asked = set.union(*map(_asked, WORKFLOWS))
    assert asked >= {
        "check", "test-unit", "test-portable", "test-lowest",
        "test-conformance", "test-integration", "test-e2e",
    }  # fmt: skip


@pytest.mark.parametrize("path", WORKFLOWS, ids=_named)
def test_workflow_may_read_unless_a_job_says_more_and_ends_by_itself(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] <= 90 for job in workflow["jobs"].values())


@pytest.mark.parametrize("path", FORMS, ids=_named)
def test_form_is_yaml(path: Path) -> None:
    assert yaml.safe_load(path.read_text())


def test_devcontainer_is_json_below_its_comment() -> None:
    text = (REPO / ".devcontainer/devcontainer.json").read_text()
    made = json.loads(re.sub(r"^//.*$", "", text, flags=re.MULTILINE))
    assert made["postCreateCommand"].removeprefix("make ") in TARGETS


def test_code_owners_are_a_template() -> None:
    lines = (REPO / ".github/CODEOWNERS").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == []


def test_pre_commit_runs_what_make_check_runs() -> None:
    (repo,) = yaml.safe_load((REPO / ".pre-commit-config.yaml").read_text())["repos"]
    entries = {hook["entry"].replace(" --force-exclude", "") for hook in repo["hooks"]}
    makefile = (REPO / "Makefile").read_text().replace("$(BIN)", ".venv/bin")
    assert repo["repo"] == "local"
    assert {entry for entry in entries if f"\t{entry}" not in makefile} == set()


@pytest.mark.parametrize("path", FRAGMENTS, ids=_named)
def test_fragment_is_of_a_kind_and_says_one_thing(path: Path) -> None:
    topic, kind, _ = path.name.split(".")
    text = path.read_text()
    assert kind in KINDS
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", topic)
    # A list, a heading or a second paragraph would end the bullet that it becomes.
    assert text.strip()
    assert not re.search(r"^([-*#] |\s*$)", text.rstrip("\n"), re.MULTILINE)


def test_nothing_else_is_among_the_fragments() -> None:
    others = {path.name for path in (REPO / "changelog.d").iterdir()} - {p.name for p in FRAGMENTS}
    assert others == {Path(PROJECT["tool"]["towncrier"]["template"]).name}


@pytest.mark.parametrize("path", PAGES, ids=_named)
def test_page_names_make_targets_that_there_are(path: Path) -> None:
    text = path.read_text()
    named = re.findall(r"(?:^|`)make ([a-z][a-z0-9-]*)(?=`| *$| *#)", text, re.MULTILINE)
    assert set(named) <= TARGETS


@pytest.mark.parametrize("path", [*PAGES, *(REPO / "examples").rglob("*.md")], ids=_named)
def test_links_of_page_lead_to_files_that_there_are(path: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", path.read_text())
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_pages_that_code_and_charts_name_are_there() -> None:
    folders = ("operator", "charts", "deploy", "examples", "tests", "benchmarks", ".github")
    inside = [path for name in folders for path in (REPO / name).rglob("*")]
    files = [path for path in inside if path.is_file() and path.suffix != ".pyc"]
    named = {
        page
        for path in [*files, REPO / "Makefile", REPO / "Dockerfile", REPO / "SECURITY.md"]
        for page in re.findall(r"\bdocs/[\w/.-]+\.md", path.read_text(errors="ignore"))
    }
    assert len(named) > 10
    assert sorted(page for page in named if not (REPO / page).exists()) == []


def test_files_that_contributing_names_are_there() -> None:
    text = (REPO / "CONTRIBUTING.md").read_text()
    named = [n for n in re.findall(r"`([a-z][a-z_-]*/[\w./-]*)`", text) if "ROOM" not in n]
    assert len(named) > 20
    roots = (REPO, REPO / "operator/perfrun")
    assert [name for name in named if not any((root / name).exists() for root in roots)] == []


def test_nothing_is_installed_by_a_name_that_anyone_could_take() -> None:
    places = [*PAGES, *(REPO / "examples").rglob("*"), *(REPO / "operator").rglob("*.py")]
    installers = r"\b(pip install|pipx install|pipx run|uvx|uv add|uv tool install)"
    wrong = re.compile(installers + r" +(-\S+ +)*['\"]?perfrun(\W|$)", re.MULTILINE)
    assert [
        f"{path.relative_to(REPO)}: {found[0]}"
        for path in places
        if path.is_file() and path.suffix in {".md", ".py", ".yaml", ".yml", ""}
        and (found := wrong.search(path.read_text(errors="replace")))
    ] == []  # fmt: skip


def test_nothing_is_pulled_or_read_from_an_owner_that_anyone_could_be() -> None:
    folders = ("examples", "operator", "charts", "deploy", ".github")
    inside = [path for folder in folders for path in (REPO / folder).rglob("*")]
    wrong = re.compile(r"\b(ghcr\.io|docker\.io|quay\.io|github\.com|gitlab\.com)/perfrun\b")
    assert [
        f"{path.relative_to(REPO)}: {found[0]}"
        for path in (*PAGES, REPO / "pyproject.toml", REPO / "mkdocs.yml", *inside)
        if path.is_file() and path.suffix != ".pyc"
        and (found := wrong.search(path.read_text(errors="replace")))
    ] == []  # fmt: skip


def test_the_image_has_one_name_that_is_built_here_and_one_in_a_registry() -> None:
    places = [*PAGES, *(REPO / "examples").rglob("*"), *(REPO / "deploy").rglob("*.yaml")]
    named = re.compile(r"[\w.:/-]*/perfrun(?:-[a-z]+)?:[\w.-]*\w")
    found = {
        name
        for path in places
        if path.is_file() and path.suffix in {".md", ".yaml", ".yml", ""}
        and "decisions" not in path.parts
        for name in named.findall(path.read_text(errors="replace"))
    }  # fmt: skip
    kinds = {re.sub(r"(-[a-z]+)?:(0\.1\.0|dev)$", "", name) for name in found}
    assert kinds == {"localhost/perfrun", "registry.example.com/perfrun"}, found
