"""Commands that look into a cluster, where the client of Kubernetes is not installed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from perfrun.report.document import run_object
from tests.unit.report.sample import a_run

INSTALL = "pip install '.[operator]' in a clone of perfrun"
PROGRAM = """
import sys
for name in ("kubernetes", "urllib3", "kopf", "aiohttp"):
    sys.modules[name] = None
from perfrun.cli.main import main
main()
"""


def perfrun(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin", **environment},
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["watch"],
        ["watch", "shop", "--once"],
        ["trigger", "shop"],
        ["logs", "shop-1"],
        ["report", "shop-1"],
        ["compare", "shop-1", "shop-2"],
    ],
)
def test_what_to_install_is_all_that_is_said(arguments: list[str]) -> None:
    done = perfrun(*arguments)
    assert done.returncode in (2, 3)
    assert INSTALL in done.stderr
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stderr


def test_a_file_is_reported_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(run_object(a_run())))
    done = perfrun("report", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    assert "WARN  shop/api-under-load" in done.stdout


def test_a_shell_is_offered_nothing_and_told_nothing() -> None:
    done = perfrun(_PERFRUN_COMPLETE="complete_bash", COMP_WORDS="perfrun trigger ", COMP_CWORD="2")
    assert done.stdout.strip() == ""
    assert done.stderr == ""
