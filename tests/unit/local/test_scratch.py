"""The temporary folder of a run, and what others left behind."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from perfrun.local.scratch import _identity, scratch


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def left_behind(folder: Path, owner: str | None) -> Path:
    folder.mkdir()
    (folder / "plan.json").write_text("{}")
    if owner is not None:
        (folder / "owner").write_text(owner)
    return folder


def an_ended_process() -> str:
    """What the owner of a folder would have written of itself before it was killed."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        told = f"{process.pid} {_identity(process.pid)}"
        process.kill()
    return told


def test_a_folder_is_there_for_the_run_and_gone_after_it(temporary: Path):
    with scratch() as folder:
        assert folder.parent == temporary
        assert folder.stat().st_mode & 0o777 == 0o700
        with scratch() as second:  # a run beside it leaves it alone
            assert second != folder
        assert folder.is_dir()
    assert list(temporary.iterdir()) == []


def test_the_folder_of_a_killed_perfrun_is_removed(temporary: Path):
    left_behind(temporary / "perfrun-a", an_ended_process())
    with scratch() as folder:
        assert list(temporary.iterdir()) == [folder]


def test_a_process_with_the_same_number_is_not_the_owner(temporary: Path):
    me = _identity(os.getpid())
    start, namespace = me.split()
    left_behind(temporary / "perfrun-a", f"{os.getpid()} {int(start) - 1} {namespace}")
    with scratch() as folder:
        assert list(temporary.iterdir()) == [folder]


def test_whatever_is_not_surely_ours_and_stale_stays(temporary: Path):
    ended = an_ended_process()
    stay = [
        left_behind(temporary / "perfrun-no-owner", None),
        left_behind(temporary / "perfrun-garbage", "what"),
        left_behind(temporary / "perfrun-alive", f"{os.getpid()} {_identity(os.getpid())}"),
        left_behind(temporary / "perfrun-elsewhere", ended.rsplit(" ", 1)[0] + " pid:[1]"),
        left_behind(temporary / "other-program", ended),
    ]
    link = temporary / "perfrun-link"
    link.symlink_to(left_behind(temporary / "target", ended))
    with scratch():
        pass
    assert all(folder.is_dir() for folder in (*stay, link))
