"""The launcher that is packed runs where nothing else is."""

import subprocess
from pathlib import Path

import pytest

from perfrun.launcher.pack import argv, pack
from perfrun.measure import command
from perfrun.measure.command import CommandEnd, CommandOrder


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    pack(folder)
    return folder


def test_it_runs_a_command_whatever_the_environment_says_of_python(
    packed: Path, tmp_path: Path
) -> None:
    (tmp_path / command.START).write_bytes(
        CommandOrder(argv=["sh", "-c", "echo $PYTHONHOME; exit 4"]).to_bytes()
    )
    subprocess.run(
        argv(str(packed), str(tmp_path)),
        env={"PATH": "/usr/bin:/bin", "PYTHONHOME": "/nonsense", "PYTHONPATH": "/nonsense"},
        check=True,
        timeout=20,
    )
    found = CommandEnd.model_validate_json((tmp_path / command.DONE).read_bytes())
    assert (found.code, found.last_words) == (4, "/nonsense")


def test_all_that_it_loads_is_its_own(packed: Path, tmp_path: Path) -> None:
    """What it has mapped while its command runs, seen by that command: the id of its parent."""
    maps = "cat /proc/$PPID/maps > maps; true"
    (tmp_path / command.START).write_bytes(CommandOrder(argv=["sh", "-c", maps]).to_bytes())
    subprocess.run(argv(str(packed), str(tmp_path)), cwd=tmp_path, check=True, timeout=20)
    files = {line.split()[-1] for line in (tmp_path / "maps").read_text().splitlines()}
    foreign = {file for file in files if file.startswith("/") and not file.startswith(str(packed))}
    assert not {file for file in foreign if "locale" not in file and "gconv" not in file}
    assert any("libpython" in file or "bin/python3" in file for file in files)


def test_it_is_small_enough_to_be_brought_for_each_run(packed: Path) -> None:
    size = sum(file.lstat().st_size for file in packed.rglob("*") if file.is_file())
    assert size < 64 * 1024 * 1024
