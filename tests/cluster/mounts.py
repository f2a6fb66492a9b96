"""Mounts below a folder, and removing a folder without reaching through one of them."""

import re
import shutil
from pathlib import Path

from tests.cluster.commands import run
from tests.cluster.errors import ClusterError

_OCTAL = re.compile(r"\\([0-7]{3})")


def parse_mountinfo(text: str) -> list[Path]:
    """The mount points of /proc/self/mountinfo, in order, with its octal escapes undone."""
    points = (line.split()[4] for line in text.splitlines() if line)
    return [Path(_OCTAL.sub(lambda m: chr(int(m[1], 8)), point)) for point in points]


def mounts_below(folder: Path) -> list[Path]:
    """Mount points inside a folder, the deepest last-mounted first."""
    points = parse_mountinfo(Path("/proc/self/mountinfo").read_text())
    return [point for point in reversed(points) if folder in (point, *point.parents)]


def unmount_below(folder: Path) -> None:
    """Unmount everything inside a folder that is ours alone."""
    for point in mounts_below(folder):
        run(["umount", "--lazy", point], what=f"unmounting {point}")


def remove_tree(folder: Path) -> None:
    """Delete a folder; refuses while something is still mounted inside it."""
    if not folder.exists():
        return
    unmount_below(folder)
    # A bind mount of the host's files inside would be deleted with the folder.
    if left := mounts_below(folder):
        raise ClusterError(f"not deleting {folder}: {left[0]} is still mounted; umount it first")
    shutil.rmtree(folder)
