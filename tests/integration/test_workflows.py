"""The workflows, as actionlint reads them."""

import subprocess
from pathlib import Path

import pytest

from tests.cluster.paths import REPO

pytestmark = pytest.mark.patient


def test_actionlint_objects_to_no_workflow(actionlint: Path) -> None:
    ours = sorted((REPO / ".github/workflows").glob("*.yaml"))
    shown = [REPO / f"examples/{one}/github-actions.yaml" for one in ("ci", "previews")]
    # Without shellcheck and pyflakes, which one machine has and another has not.
    done = subprocess.run(
        [actionlint, "-shellcheck=", "-pyflakes=", *ours, *shown],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )
    assert len(ours) == 3
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


def test_actionlint_sees_what_is_wrong(actionlint: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text((REPO / ".github/workflows/check.yaml").read_text().replace("matrix.p", "x.p"))
    done = subprocess.run([actionlint, wrong], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'undefined variable "x"' in done.stdout
