"""When a tag may be released, and what its notes are."""

from pathlib import Path

import pytest

from tests import release

DIGEST = "sha256:" + "0" * 64
READY = {"TAG": "v1.2.3", "IMAGE": "ghcr.io/a/b", "BASE_IMAGE": f"python:3.13-slim@{DIGEST}"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "pyproject.toml": '[project]\nversion = "1.2.3"\n',
        "charts/perfrun/Chart.yaml": 'version: 1.2.3\nappVersion: "1.2.3"\n',
        "charts/perfrun/values.yaml": "image: {registry: ghcr.io, repository: a/b}\n",
        "CHANGELOG.md": "# Changelog\n\n## 1.2.3, 2026-12-01\n\n- New.\n\n## 1.2.2, 2026-11-01\n\n- Old.\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "changelog.d").mkdir()
    return tmp_path


def test_a_release_that_is_ready(root: Path) -> None:
    assert release.problems(READY, root) == []
    assert release.notes("1.2.3", root) == "- New.\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"TAG": "v1.2.4"}, "TAG is 'v1.2.4'"),
        ({"BASE_IMAGE": ""}, "BASE_IMAGE is ''"),
        ({"BASE_IMAGE": "python:3.13-slim"}, "BASE_IMAGE is 'python:3.13-slim'"),
        ({"BASE_IMAGE": "python@sha256:12"}, "BASE_IMAGE is 'python@sha256:12'"),
        ({"IMAGE": "ghcr.io/c/d"}, "charts/perfrun/values.yaml: the image is ghcr.io/a/b"),
    ],
)
def test_what_a_workflow_says_wrongly(root: Path, change: dict[str, str], said: str) -> None:
    (told,) = release.problems({**READY, **change}, root)
    assert told.startswith(said)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (
            "charts/perfrun/Chart.yaml",
            "version: 1.2.3\nappVersion: 1.2.2\n",
            "charts/perfrun/Chart",
        ),
        ("changelog.d/a.fixed.md", "A.\n", "changelog.d has 1 fragments"),
        ("CHANGELOG.md", "# Changelog\n\n## 1.2.3, unreleased\n\n- New.\n", "CHANGELOG.md has no"),
    ],
)
def test_what_the_tree_says_wrongly(root: Path, file: str, text: str, said: str) -> None:
    (root / file).write_text(text)
    (told,) = release.problems(READY, root)
    assert told.startswith(said)
