"""A command on the client's core: what it printed, and the CPU time that it used meanwhile."""

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.cores import CLIENT_CORE, stolen

_TICKS = os.sysconf("SC_CLK_TCK")
_LOOK_EVERY = 0.1
_SKIPPED = 0.25
"""Of a load at its beginning and at its end: neither start-up nor farewell is measured."""


class FailedError(Exception):
    """A client that could not do its run; the message says which, and what it printed."""


@dataclass(frozen=True)
class Command:
    """A command to run."""

    argv: list[str | Path]
    env: dict[str, str] = field(default_factory=dict)
    stdin: str | None = None


@dataclass(frozen=True)
class Done:
    """A command that has ended well."""

    output: str
    busy: float
    """CPU seconds a second, in the middle of its load."""
    stolen: float
    """Seconds that the hypervisor took from the two cores."""


class CpuClock(threading.Thread):
    """Looks at the CPU time of a process until it ends."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._stat = Path(f"/proc/{pid}/stat")
        self._seen: list[tuple[float, float]] = []

    def run(self) -> None:
        while True:
            try:
                fields = self._stat.read_text().rpartition(")")[2].split()
            except OSError:
                return
            if fields[0] == "Z":
                return
            # utime and stime, of all threads: proc(5)
            ticks = int(fields[11]) + int(fields[12])
            self._seen.append((time.monotonic(), ticks / _TICKS))
            time.sleep(_LOOK_EVERY)

    def busy(self, seconds: int) -> float:
        """CPU seconds a second in the middle of a load of ``seconds`` that has just ended."""
        return busy_in_the_middle(self._seen, seconds)


def busy_in_the_middle(seen: Sequence[tuple[float, float]], seconds: int) -> float:
    """CPU seconds a second of looks (time, CPU time until then), in s, the last at the end.

    Raises FailedError where the process has ended before the middle of its load.
    """
    end = seen[-1][0] if seen else 0.0
    early, late = end - seconds * (1 - _SKIPPED), end - seconds * _SKIPPED
    middle = [look for look in seen if early <= look[0] <= late]
    if len(middle) < 2 or seen[0][0] > early:
        raise FailedError(f"it ended before the {seconds} s of its load were over")
    (began, before), (ended, after) = middle[0], middle[-1]
    return (after - before) / (ended - began)


def pinned(command: Command, seconds: int) -> Done:
    """Run a command whose load takes ``seconds`` on the client's core. Raises FailedError."""
    program = Path(command.argv[0]).name
    taken = stolen()
    process = subprocess.Popen(
        ["taskset", "-c", CLIENT_CORE, *map(str, command.argv)],
        env={**os.environ, **command.env},
        stdin=subprocess.PIPE if command.stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    clock = CpuClock(process.pid)
    clock.start()
    try:
        output, errors = process.communicate(command.stdin, timeout=seconds * 3 + 60)
    except subprocess.TimeoutExpired as error:
        raise FailedError(f"{program} did not end, though its load was {seconds} s long") from error
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        clock.join()
    if process.returncode:
        raise FailedError(f"{program} failed ({process.returncode}): {errors[-1000:].strip()}")
    try:
        return Done(output, clock.busy(seconds), stolen() - taken)
    except FailedError as error:
        raise FailedError(f"{program}: {error}") from error
