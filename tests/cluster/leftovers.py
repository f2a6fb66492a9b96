"""What no record names: processes by the mark in their environment, files in the state folder."""

import contextlib
import os
import signal
import time
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.mounts import mounts_below, remove_tree, unmount_below
from tests.cluster.processes import MARK

# Logs explain the past, the lock is held, and these two say how to undo the network.
_KEPT = {"logs", ".lock", "settings.json", "network.json"}
KILL_SECONDS = 10.0


def marked(name: str, value: object) -> set[int]:
    """Processes with a variable in their environment, which they give to those that they start."""
    wanted = f"{name}={value}".encode()
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            # It may end while we look, or belong to somebody else.
            with contextlib.suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.add(int(entry.name))
    return found


def stop_marked(folder: Path) -> None:
    """Kill what is left of the folder's processes (containerd's shims too), never by name."""
    deadline = time.monotonic() + KILL_SECONDS
    while left := marked(MARK, folder):
        if time.monotonic() > deadline:
            raise ClusterError(f"processes of the cluster do not end: {sorted(left)}")
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.05)


def remove_state(folder: Path) -> None:
    """Delete the state folder's content, mounts first."""
    unmount_below(folder)
    if left := mounts_below(folder):
        raise ClusterError(f"{left[0]} is still mounted; umount it, then run down again")
    for entry in folder.iterdir():
        if entry.name in _KEPT:
            continue
        if entry.is_dir() and not entry.is_symlink():
            remove_tree(entry)
        else:
            entry.unlink()
