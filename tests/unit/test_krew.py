"""The plugin of kubectl as krew installs it: its manifest, and the program in its archive."""

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import yaml

from tests.cluster.paths import REPO

FOLDER = REPO / "deploy/krew"
# A Python that notes what it is asked for, and makes what an installation would make.
PYTHON = """#!/bin/sh
echo "$0 $*" >> {log}
case "$1 $2" in
"-m venv") mkdir -p "$4/bin"; cp {folder}/pip {folder}/kubectl-perfrun "$4/bin" ;;
-c*) exit {code} ;;
esac
"""


def test_manifest_is_one_of_krew_and_names_what_the_archive_has() -> None:
    plugin = yaml.safe_load((FOLDER / "perfrun.yaml").read_text())
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    assert (plugin["apiVersion"], plugin["kind"]) == (
        "krew.googlecontainertools.github.com/v1alpha2",
        "Plugin",
    )
    spec, name = plugin["spec"], plugin["metadata"]["name"]
    assert spec["version"] == f"v{project['version']}"
    assert len(spec["shortDescription"]) <= 50
    (platform,) = spec["platforms"]
    assert f"{platform['bin']}" == f"kubectl-{name}"
    assert os.access(FOLDER / platform["bin"], os.X_OK)
    assert f"kubectl-{name}" in project["scripts"]
    assert platform["sha256"] == "0" * 64, "there is no release yet, and no archive"
    archive = Path(platform["uri"]).name
    assert f"dist/{archive.removesuffix('.gz')}" in (REPO / "Makefile").read_text()
    assert f"/v{project['version']}/" in platform["uri"]


def _plugin(tmp_path: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Runs the program of an archive that is unpacked in ``tmp_path``, with Pythons of a test."""
    log = tmp_path / "log"
    (tmp_path / "perfrun-0.1.0-py3-none-any.whl").touch()
    shutil.copy(FOLDER / "kubectl-perfrun", tmp_path / "kubectl-plugin")
    for name in ("python3", "pip", "kubectl-perfrun"):
        file = tmp_path / name
        file.write_text(PYTHON.format(log=log, folder=tmp_path, code=code))
        file.chmod(0o755)
    return subprocess.run(
        [tmp_path / "kubectl-plugin", "watch", "--once"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_first_command_installs_the_wheel_and_the_next_one_does_not(tmp_path: Path) -> None:
    assert "installing perfrun into" in _plugin(tmp_path).stderr
    assert _plugin(tmp_path).stderr == ""
    home = tmp_path / ".cache/perfrun/perfrun-0.1.0-py3-none-any"
    told = (tmp_path / "log").read_text()
    assert told.count("perfrun-0.1.0-py3-none-any.whl[operator]") == 1
    assert told.count(f"{home}/bin/kubectl-perfrun watch --once\n") == 2


def test_old_python_is_told_of(tmp_path: Path) -> None:
    done = _plugin(tmp_path, code=1)
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs Python 3.11 or newer: set PERFRUN_PYTHON" in done.stderr
