"""What an open connection costs, and whether memory stays flat: 10,000 users that think."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.clients import CLIENT_CORE
from benchmarks.nginx import Target, serving
from benchmarks.table import markdown
from tests.cluster.progress import say, step

CONNECTIONS = 10_000
_PAGE = 4096


def compare(seconds: int) -> str:
    """Memory of plain and TLS connections over a run of ``seconds``; a table."""
    rows: list[tuple[str, ...]] = [
        ("connections", "at rest", "a third in", "at the end", "KiB a connection", "aim"),
        ("---", "--:", "--:", "--:", "--:", "--:"),
    ]
    with serving() as target:
        for name, aim in (("plain", 20), ("tls", 40)):
            with step(f"{CONNECTIONS} {name} connections for {seconds} s"):
                seen = list(_watched(name, target, seconds))
            # The first looks are of an interpreter with nothing open yet.
            base = seen[0]
            third, last = seen[len(seen) // 3], seen[-2]
            each = (last - base) / CONNECTIONS / 1024
            say(f"  {name}: {each:.1f} KiB a connection")
            sizes = [f"{size / 2**20:.0f} MiB" for size in (base, third, last)]
            rows.append((f"10,000 {name}", *sizes, f"**{each:.1f}**", f"{aim}"))
    return (
        f"### Memory, {CONNECTIONS} users with a connection each, {seconds} s\n\n{markdown(rows)}"
    )


def _watched(name: str, target: Target, seconds: int) -> Iterator[int]:
    """The resident size of a run, once a second, from before its first connection."""
    url = target.plain if name == "plain" else target.tls
    spec = {
        "target": {
            "http": {
                "url": f"{url}/",
                "connections": "PerUser",
                "tls": {"insecureSkipVerify": True},
            }
        },
        "load": {
            "closed": {
                "stages": [
                    {"users": CONNECTIONS, "ramp": "10s", "hold": f"{seconds - 10}s"},
                ],
                "thinkTime": "3s",
            }
        },
    }
    with tempfile.TemporaryDirectory(prefix="perfrun-bench-") as folder:
        file = Path(folder) / "spec.json"
        file.write_text(json.dumps(spec))
        argv = ["taskset", "-c", CLIENT_CORE, sys.executable, "-m", "benchmarks.engine", str(file)]
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
        try:
            time.sleep(1)
            while process.poll() is None:
                yield _resident(process.pid)
                time.sleep(1)
        finally:
            process.kill()
            process.wait()


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0
