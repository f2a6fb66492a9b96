"""The temporary folder of a run, and those that a killed perfrun could not remove."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "perfrun-"
_OWNER = "owner"


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for one run that only this user can read; stale ones are removed first."""
    _remove_stale(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / _OWNER).write_text(f"{os.getpid()} {_identity(os.getpid())}")
        yield folder


def _remove_stale(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        if _is_stale(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_stale(folder: Path) -> bool:
    """Whether a folder was created by a perfrun process that is gone. If in doubt, it was not."""
    try:
        here = _namespace()  # raises OSError where this cannot be known: not on Linux
        found = folder.lstat()
        if found.st_uid != os.getuid() or not folder.is_dir() or folder.is_symlink():
            return False
        pid, identity = (folder / _OWNER).read_text().split(" ", 1)
        namespace = identity.rpartition(" ")[2]
        # Another container may share the folder: its processes cannot be seen from here.
        return namespace == here and _identity(int(pid)) != identity
    except (OSError, ValueError):
        return False


def _identity(pid: int) -> str:
    """What distinguishes a process from a later one with the same number: its start, and its PID
    namespace.
    """
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "gone"
    return f"{after_name[19]} {_namespace()}"


def _namespace() -> str:
    return str(Path("/proc/self/ns/pid").readlink())
