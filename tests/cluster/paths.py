"""Where things are kept: the cache (costly, by version) and the state (one cluster's life)."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.progress import step

HERE = Path(__file__).resolve().parent
REPO = HERE.parent.parent


def cache_dir() -> Path:
    """The folder of what is slow to make: binaries and images, keyed by what makes them."""
    chosen = os.environ.get("PERFRUN_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "perfrun"


def state_dir() -> Path:
    """The folder of the running cluster: configuration, certificates, data, logs, recorded pids."""
    chosen = os.environ.get("PERFRUN_CLUSTER_STATE") or "/var/tmp/perfrun-cluster"
    return Path(chosen).expanduser().absolute()


def key_of(*parts: str | bytes | Path) -> str:
    """A short stable key of strings and of files' contents; order and boundaries count."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part
        raw = data.encode() if isinstance(data, str) else data
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()[:12]


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file whole or not at all, so that a reader never sees half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
    temporary.replace(path)


@contextlib.contextmanager
def locked(folder: Path, what: str) -> Iterator[None]:
    """Hold the folder's lock; waits for another process that holds it, and says so."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step(f"waiting for another process that works on {what} ({folder})"):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
