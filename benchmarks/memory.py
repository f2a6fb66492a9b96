"""What an open connection costs, and whether memory stays flat: 10,000 users that think."""

import json
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import cores
from benchmarks.clients import engine
from benchmarks.nginx import serving
from benchmarks.table import Table
from tests.cluster.progress import say, step

CONNECTIONS = 10_000
RAMP = 10
"""Seconds until all are there."""
AIMS = {"plain": 20, "tls": 40}
"""KiB a connection, at most."""
_COLUMNS = ("connections", "at rest", "all open", "at the end", "growth", "KiB each", "aim")


class Look(NamedTuple):
    """A process at a moment."""

    resident: int
    """Bytes."""
    files: int
    """Open descriptors; nearly all are connections."""


def compare(seconds: int) -> Table:
    """Memory of plain and of TLS connections that are all open for ``seconds``."""
    rows, figures = [], []
    with serving() as target:
        for name, aim in AIMS.items():
            with step(f"memory: {CONNECTIONS} {name} connections for {seconds} s"):
                rest, looks = _run(target.plain if name == "plain" else target.tls, seconds)
            first, last = _ends(looks)
            each = (last.resident - rest) / last.files / 1024
            say(f"  {name}: {each:.1f} KiB a connection")
            sizes = [f"{size / 2**20:.1f} MiB" for size in (rest, first.resident, last.resident)]
            growth = f"{(last.resident - first.resident) / 2**20:+.1f} MiB"
            rows.append((f"{CONNECTIONS:,} {name}", *sizes, growth, f"**{each:.1f}**", f"{aim}"))
            figures.append(
                {"kind": name, "rest": rest, "resident": [look.resident for look in looks]}
            )
    title = f"Memory of {CONNECTIONS:,} users with a connection each, {seconds} s"
    return Table(title, _COLUMNS, rows, figures)


def _ends(looks: list[Look]) -> tuple[Look, Look]:
    """When the connections had just been opened, and at the end.

    Raises RuntimeError where more than one in a hundred never was: the aim is for 10,000.
    """
    full = [look for look in looks if look.files >= CONNECTIONS * 0.99]
    if len(full) < 2:
        most = max((look.files for look in looks), default=0)
        raise RuntimeError(
            f"only {most} of {CONNECTIONS} connections were open at a time: "
            f"allow more open files (`ulimit -n`), or free ports"
        )
    return full[0], full[-1]


def _run(url: str, seconds: int) -> tuple[int, list[Look]]:
    """Bytes of the process before its load, and a look at it once a second."""
    http = {"url": f"{url}/", "connections": "PerUser", "tls": {"insecureSkipVerify": True}}
    stage = {"users": CONNECTIONS, "ramp": f"{RAMP}s", "hold": f"{seconds}s"}
    load = {"closed": {"stages": [stage], "thinkTime": "3s"}}
    with tempfile.TemporaryDirectory(prefix="perfrun-bench-") as folder:
        command = engine({"target": {"http": http}, "load": load}, Path(folder))
        argv = ["taskset", "-c", cores.CLIENT, *map(str, command.argv)]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        try:
            looks = list(_watched(process))
            output, _ = process.communicate()
        finally:
            process.kill()
            process.wait()
    said = json.loads(output)
    if said["failed"]:
        raise RuntimeError(f"{said['failed']} requests failed: the figures would mean nothing")
    return said["resident_at_rest"], looks


def _watched(process: "subprocess.Popen[str]") -> Iterator[Look]:
    while process.poll() is None:
        try:
            pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
            files = len(os.listdir(f"/proc/{process.pid}/fd"))  # noqa: PTH208 - 10,000 of them
        except (OSError, IndexError):
            return  # it has ended meanwhile
        yield Look(pages * resource.getpagesize(), files)
        time.sleep(1)
