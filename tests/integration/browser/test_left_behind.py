"""However a run ends, no process of the browser and no profile of it stays."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from .site import Site
from .visits import page

PATIENCE_S = 90


def manifest(shop: Site, folder: Path) -> Path:
    """A load that goes on for longer than anybody waits."""
    target = {"browser": {"url": shop.url, "quietWindow": "200ms"}}
    spec = {
        "target": target,
        "scenarios": [{"name": "s", "steps": [page("/plain")]}],
        "load": {"closed": {"users": 2, "duration": "10m"}},
    }
    kind = {"apiVersion": "perfrun.dev/v1alpha1", "kind": "PerfTest"}
    path = folder / "test.yaml"
    path.write_text(json.dumps({**kind, "metadata": {"name": "pages"}, "spec": spec}))
    return path


def until(true: Callable[[], bool]) -> bool:
    ends = time.monotonic() + PATIENCE_S
    while not true() and time.monotonic() < ends:
        time.sleep(0.05)
    return true()


def with_a_trace_of(folder: Path) -> list[psutil.Process]:
    """Processes that were told of the folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(folder) in " ".join(process.cmdline()):
                found.append(process)
    return found


@pytest.fixture
def running(shop: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """The process of `perfrun run` while it visits pages, and the folder for its temporary files."""
    folder, temporary = tmp_path_factory.mktemp("m"), tmp_path_factory.mktemp("t")
    command = [sys.executable, "-m", "perfrun.cli.main", "run", str(manifest(shop, folder))]
    env = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        command, env=env, start_new_session=True, stdout=subprocess.DEVNULL
    ) as process:
        try:
            assert until(lambda: shop.count("/plain") > 2)
            assert with_a_trace_of(temporary)
            yield process.pid, temporary
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def interrupt(pid: int) -> None:
    """As Ctrl-C does: the terminal tells every process of the group."""
    os.killpg(pid, signal.SIGINT)


def terminate(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)


def kill_the_worker(pid: int) -> None:
    for child in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "perfrun.local.child" in " ".join(child.cmdline()):
                child.kill()


@pytest.mark.parametrize("end", [interrupt, terminate, kill_the_worker])
def test_nothing_stays(running: tuple[int, Path], end: Callable[[int], None]) -> None:
    pid, temporary = running
    end(pid)
    assert until(lambda: not with_a_trace_of(temporary))
    assert until(lambda: not list(temporary.glob("*playwright*")))
