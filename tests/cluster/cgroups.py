"""The pods' own control group: every process of every container is in it, and nothing else is."""

import contextlib
import os
import signal
import time
from pathlib import Path

from tests.cluster.errors import ClusterError

ROOT = Path("/sys/fs/cgroup")
_CONTROLLERS = ("cpu", "cpuset", "memory", "pids", "io", "hugetlb")
KILL_SECONDS = 15.0


def _is_v2() -> bool:
    return (ROOT / "cgroup.controllers").exists()


def _hierarchies() -> list[Path]:
    """Version 2 has one tree; version 1 one for each controller (some are symbolic links)."""
    if _is_v2():
        return [ROOT]
    return [path for path in sorted(ROOT.iterdir()) if path.is_dir() and not path.is_symlink()]


def create(name: str) -> None:
    """Make the group, which the kubelet asks to exist."""
    for tree in _hierarchies():
        if _is_v2():
            for controller in _CONTROLLERS:
                # What this kernel lacks, the kubelet does without.
                with contextlib.suppress(OSError):
                    (tree / "cgroup.subtree_control").write_text(f"+{controller}")
        group = tree / name
        group.mkdir(exist_ok=True)
        # In version 1 a new cpuset has no cores, and nothing can enter it.
        for file in ("cpuset.cpus", "cpuset.mems"):
            if not _is_v2() and (group / file).exists() and not (group / file).read_text().strip():
                (group / file).write_text((tree / file).read_text())


def _groups(name: str) -> list[Path]:
    """The group and those inside it, the innermost first, in every tree."""
    found: list[Path] = []
    for tree in _hierarchies():
        inside = [Path(folder) for folder, _, _ in os.walk(tree / name, topdown=False)]
        found += inside if (tree / name).is_dir() else []
    return found


def cpu_seconds(name: str) -> float:
    """What all that is and was in the group has used so far; 0 where there is no such group."""
    with contextlib.suppress(OSError):
        if _is_v2():
            first, *_ = (ROOT / name / "cpu.stat").read_text().splitlines()
            return int(first.split()[1]) / 1e6
        return int((ROOT / "cpuacct" / name / "cpuacct.usage").read_text()) / 1e9
    return 0.0


def pids(name: str) -> set[int]:
    """Every process in the group."""
    found: set[int] = set()
    for group in _groups(name):
        with contextlib.suppress(OSError):
            found.update(int(pid) for pid in (group / "cgroup.procs").read_text().split())
    return found


def kill_all(name: str) -> None:
    """Kill every process in the group, also those that are being born."""
    deadline = time.monotonic() + KILL_SECONDS
    while left := pids(name):
        if time.monotonic() > deadline:
            raise ClusterError(f"processes of control group {name} do not end: {sorted(left)}")
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def remove(name: str) -> None:
    """Remove the empty group and those inside it."""
    for group in _groups(name):
        with contextlib.suppress(FileNotFoundError):
            group.rmdir()
