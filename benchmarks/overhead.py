"""What perfrun costs a tool whose script it runs: ``python -m benchmarks.overhead``.

Three rates of k6 in turn, round after round, k6 on one core: alone; writing its samples to a FIFO
that is only drained; and under ``perfrun run``. Who reads is on the other core, beside nginx, which
counts the requests; with ``--together`` it shares the core of k6.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import cores
from benchmarks.nginx import serving
from perfrun.engine.script.tools.k6 import TAGS
from tests.cluster.progress import say
from tests.cluster.tools import program, version

AIM = 0.9
"""Of the rate that k6 reaches while its samples are only drained."""
_SCRIPT = """
import http from 'k6/http';
import {{ check }} from 'k6';
export const options = {{ vus: {users}, duration: '{seconds}s', discardResponseBodies: true }};
export default function () {{
  const answer = http.get('{url}/', {{ tags: {{ name: 'home' }} }});
  check(answer, {{ 'is 200': (r) => r.status === 200 }});
}}
"""
_TEST = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {{name: overhead}}
spec:
  target: {{script: {{tool: k6, entry: script.js, targets: ["{host}"]}}}}
  load: {{maxDuration: {most}s}}
"""


READER = cores.SERVER
"""The core of who reads."""


def alone(folder: Path) -> None:
    """k6 as users run it."""
    _run(["k6", "run", "--quiet", "--no-usage-report", "script.js"], folder)


def drained(folder: Path) -> None:
    """k6 with perfrun's options, and a reader that throws everything away."""
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    # Also for writing, so that it does not end before k6 has opened it.
    file = os.open(fifo, os.O_RDWR)
    reader = threading.Thread(target=_drain, args=[file])
    reader.start()
    try:
        options = ["--no-thresholds", "--summary-mode", "disabled", "--no-usage-report"]
        output = ["--out", f"json={fifo}", "--system-tags", ",".join(TAGS)]
        _run(["k6", "run", "--quiet", *options, *output, "script.js"], folder)
    finally:
        os.write(file, _END)
        reader.join()
        os.close(file)
        fifo.unlink()


def under_perfrun(folder: Path) -> None:
    """``perfrun run``, with its worker and its launcher."""
    command = [sys.executable, "-m", "perfrun.cli.main", "run", "test.yaml", "--json", "run.json"]
    _run(["taskset", "-c", READER, *command], folder)
    status = json.loads((folder / "run.json").read_text())["status"]
    say(f"  perfrun itself measured {status['summary']['throughput']}")


WAYS: dict[str, Callable[[Path], None]] = {
    "alone": alone,
    "drained": drained,
    "perfrun": under_perfrun,
}
_END = b"\nno row of k6\n"


def _drain(file: int) -> None:
    os.sched_setaffinity(0, {int(READER)})
    while not os.read(file, 1024 * 1024).endswith(_END):
        pass


def _run(argv: Sequence[str], folder: Path) -> None:
    """Run a command for which k6 is one that is pinned. Raises RuntimeError when it fails."""
    path = f"{folder}:{os.environ['PATH']}"
    done = subprocess.run(
        ["env", *argv],  # finds it on the PATH of the environment below
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{argv[0]} failed ({done.returncode}): {done.stderr[-2000:]}")


def _requests(url: str) -> int:
    """How many requests nginx has had."""
    with urllib.request.urlopen(f"{url}/status") as answer:
        return int(answer.read().split(b"\n")[2].split()[2])


def rates(rounds: int, seconds: int, users: int) -> dict[str, list[float]]:
    """Requests per second of each way, for each round."""
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    with serving() as target, tempfile.TemporaryDirectory(prefix="perfrun-bench-") as name:
        folder = Path(name)
        pinned = f'#!/bin/sh\nexec taskset -c {cores.CLIENT} {program("k6")} "$@"\n'
        (folder / "k6").write_text(pinned)
        (folder / "k6").chmod(0o755)
        script = _SCRIPT.format(url=target.plain, seconds=seconds, users=users)
        (folder / "script.js").write_text(script)
        host = target.plain.removeprefix("http://")
        (folder / "test.yaml").write_text(_TEST.format(host=host, most=seconds + 60))
        for number in range(1, rounds + 1):
            for way, run in WAYS.items():
                before, began = _requests(target.plain), time.monotonic()
                run(folder)
                rate = (_requests(target.plain) - before - 1) / seconds
                found[way].append(rate)
                took = time.monotonic() - began
                say(f"  round {number}/{rounds} {way:8} {rate:9,.0f}/s in {took:.1f}s")
    return found


def main() -> None:
    """Print the three figures, and their ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--users", type=int, default=32)
    parser.add_argument("--together", action="store_true", help="who reads shares the core of k6")
    chosen = parser.parse_args()
    global READER
    READER = cores.CLIENT if chosen.together else cores.SERVER
    if not cores.ENOUGH:
        sys.exit("the benchmark needs two cores: one for k6, one for nginx")
    found = rates(chosen.rounds, chosen.seconds, chosen.users)
    middle = {way: statistics.median(each) for way, each in found.items()}
    print(f"\nk6 {version('k6')}, {chosen.users} users, medians of {chosen.rounds} rounds\n")
    print("| k6 | requests/s | of k6 alone | of k6 drained |")
    print("| :-- | --: | --: | --: |")
    for way, rate in middle.items():
        of_alone, of_drained = rate / middle["alone"], rate / middle["drained"]
        print(f"| {way} | {rate:,.0f} | {of_alone:.2f} | {of_drained:.2f} |")
    reached = middle["perfrun"] / middle["drained"]
    print(f"\nThe aim is {AIM} of k6 drained: {'reached' if reached >= AIM else 'missed'}.")


if __name__ == "__main__":
    main()
