"""The folder that a command shares with its worker: who is there, and what a hostile one changes."""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from perfrun.engine.command import CommandFolder
from perfrun.launcher import run as launcher
from perfrun.measure.command import DONE, LAUNCHER, START, STOP, CommandEnd, CommandOrder

END = CommandEnd(missing=None, code=0, signal=None, stopped=False, peak=5, tail="x")


@contextmanager
def held(file: Path) -> Iterator[None]:
    """A file that somebody has locked."""
    handle = os.open(file, os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    yield
    os.close(handle)


def test_each_sees_whether_the_other_one_lives(tmp_path: Path) -> None:
    place, worker = CommandFolder(tmp_path), launcher.WorkerLock(str(tmp_path))
    assert not place.has_launcher()
    assert not worker.is_gone()  # none has come yet
    place.enter()
    place.enter()
    assert not worker.is_gone()
    with held(tmp_path / LAUNCHER):
        assert place.has_launcher()
    assert not place.has_launcher()


def test_an_order_and_a_stop_arrive(tmp_path: Path) -> None:
    place = CommandFolder(tmp_path)
    order = CommandOrder(argv=["a", "b"], env={"X": "1"}, hidden=["T"])
    place.start(order)
    assert CommandOrder.model_validate_json((tmp_path / START).read_bytes()) == order
    assert not launcher.is_to_stop(str(tmp_path))
    place.stop()
    place.stop()
    assert launcher.is_to_stop(str(tmp_path))


def test_an_end_is_read_once_it_is_whole(tmp_path: Path) -> None:
    place = CommandFolder(tmp_path)
    assert place.end() is None
    (tmp_path / DONE).write_bytes(END.to_bytes())
    assert place.end() == END


async def test_the_end_is_awaited_while_there_is_a_launcher(tmp_path: Path) -> None:
    place = CommandFolder(tmp_path)
    with held(tmp_path / LAUNCHER):
        waiting = asyncio.create_task(place.ended())
        await asyncio.wait({waiting}, timeout=0.1)
        assert not waiting.done()
        (tmp_path / DONE).write_bytes(END.to_bytes())
        assert await asyncio.wait_for(waiting, 5) == END
        await place.left(0.1)  # it stays for longer
    await asyncio.wait_for(place.left(60), 5)


async def test_without_a_launcher_nobody_says_how_it_ended(tmp_path: Path) -> None:
    assert await asyncio.wait_for(CommandFolder(tmp_path).ended(), 5) is None


@pytest.mark.parametrize("text", ["", "{}", '{"code": "x"}', "[" * 50_000, "x" * 70_000])
def test_a_forged_end_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / DONE).write_text(text)
    assert CommandFolder(tmp_path).end() is None


def test_links_and_pipes_lead_nowhere_and_hold_nobody_up(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(END.to_bytes())
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in (DONE, STOP, LAUNCHER):
        (folder / name).symlink_to(outside)
    place = CommandFolder(folder)
    with held(outside):
        assert (place.end(), place.has_launcher()) == (None, False)
    place.stop()
    assert outside.read_bytes() == END.to_bytes()
    for name in (DONE, STOP, LAUNCHER):
        (folder / name).unlink()
        os.mkfifo(folder / name)
    place.stop()
    assert (place.end(), place.has_launcher()) == (None, False)


@pytest.mark.parametrize(
    ("end", "failure"),
    [
        ({}, None),
        ({"code": 2, "tail": "a\n  last \n\n"}, "exit code 2: a | last"),
        ({"code": 2, "tail": ""}, "exit code 2"),
        ({"code": None, "signal": "SIGSEGV"}, "SIGSEGV: x"),
        ({"code": None, "signal": "SIGKILL", "stopped": True}, "SIGKILL: x"),
        ({"code": 127, "missing": "a: no"}, "it could not be started: a: no"),
    ],
)
def test_how_it_failed_is_one_sentence(end: dict[str, object], failure: str | None) -> None:
    assert END.model_copy(update=end).failure == failure
