"""A CPU quota for a process, as Kubernetes sets one; needs root and a cgroup CPU controller."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PERIOD = 100_000
"""us."""
_NAME = "perfrun-conformance-"
"""And the process id of whoever made the group."""


@contextlib.contextmanager
def limited(share: float) -> Iterator[Path]:
    """A new group whose processes get ``share`` of one core; its file of processes.

    Raises PermissionError where groups cannot be made.
    """
    name = f"{_NAME}{os.getpid()}"
    quota = round(share * PERIOD)
    if (ROOT / "cgroup.controllers").exists():
        with contextlib.suppress(OSError):
            (ROOT / "cgroup.subtree_control").write_text("+cpu")
        group = ROOT / name
        limit = {"cpu.max": f"{quota} {PERIOD}"}
    else:
        group = ROOT / "cpu" / name
        limit = {"cpu.cfs_period_us": str(PERIOD), "cpu.cfs_quota_us": str(quota)}
    _remove_dead(group.parent)
    group.mkdir()
    try:
        for file, value in limit.items():
            (group / file).write_text(value)
        yield group / "cgroup.procs"
    finally:
        _remove(group)


def _remove_dead(parent: Path) -> None:
    """The groups of tests that were killed."""
    for group in parent.glob(f"{_NAME}*"):
        if not Path("/proc", group.name.removeprefix(_NAME)).exists():
            _remove(group)


def _remove(group: Path) -> None:
    deadline = time.monotonic() + 10
    while (group / "cgroup.procs").read_text().strip() and time.monotonic() < deadline:
        time.sleep(0.05)  # its processes have been told to end
    group.rmdir()
